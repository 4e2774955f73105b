// Package goroot finds the Go distribution on this machine: some thousands of
// real files that every user of these examples already has.
package goroot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Dir returns the folder that `go env GOROOT` names. It runs the go command,
// which takes some milliseconds.
func Dir() (string, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 10*time.Second,
		errors.New("the go command did not answer"))
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find the Go distribution by `go env GOROOT`: %w", err)
	}
	return check(strings.TrimSpace(string(out)))
}

// check returns dir if it holds Go's sources.
func check(dir string) (string, error) {
	if info, err := os.Stat(filepath.Join(dir, "src")); err != nil || !info.IsDir() {
		return "", fmt.Errorf("`go env GOROOT` names %q, which holds no folder src", dir)
	}
	return dir, nil
}
