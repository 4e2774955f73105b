// Command enough compares what suites of tests counted with what they must have
// counted at least, and fails if one fell short or did not run:
//
//	BERTH_COUNTS=/tmp/counts go test work
//	go run ./internal/stacktest/counts/enough /tmp/counts
package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/berth-go/berth/internal/stacktest/counts"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "enough:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("name the file that the tests wrote because of " + counts.Variable)
	}
	got, err := counts.Read(args[0])
	if err != nil {
		return err
	}
	if short := counts.Least.Shortfalls(got); len(short) > 0 {
		return errors.New("the tests tried too little:\n" + strings.Join(short, "\n"))
	}
	for _, suite := range slices.Sorted(maps.Keys(got)) {
		fmt.Println(suite, got[suite])
	}
	return nil
}
