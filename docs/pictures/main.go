// Command pictures draws the diagrams of the book, each for light and dark pages:
//
//	go run ./docs/pictures
//
// What they show is in diagrams.go.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/berth-go/berth/internal/svg"
)

// folder is where the files are, from the top of the repository.
const folder = "docs/pictures"

func main() {
	if err := write(folder); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

// write writes each diagram into a folder.
func write(folder string) error {
	for name, d := range diagrams() {
		if err := d.draw().WriteFiles(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}

// A diagram can be drawn.
type diagram interface{ draw() *svg.Drawing }
