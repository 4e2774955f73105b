// Package official compiles a driver that runs jobs under slots of dflockd's
// official Go client: that client's module is not to be had from the module
// proxy, so this is done where its source is at hand.
package official

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed driver.go
var program []byte

// module is what the official client is a package of.
const module = "github.com/mtingers/dflockd"

// Build compiles the driver with the client whose module is in the folder
// source. It returns the program's path, which is in dir.
func Build(ctx context.Context, dir, source string) (string, error) {
	source, err := filepath.Abs(source)
	if err != nil {
		return "", err
	}
	files := map[string]string{
		"driver.go": string(program),
		"go.mod":    fmt.Sprintf("module driver\n\ngo 1.23\n\nrequire %s v0.0.0\n\nreplace %s => %s\n", module, module, source),
	}
	folder := filepath.Join(dir, "official")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	path := filepath.Join(folder, "driver")
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-o", path, "driver.go")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling a program with the official client of %s: %w: %s", source, err, out)
	}
	return path, nil
}
