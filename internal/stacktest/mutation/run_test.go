package mutation_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var root = filepath.Join("..", "..", "..")

// limit is how long one run of a named test may take before go test ends it.
// Most take a second. A run that reaches it says nothing about a rule, so a
// slow machine must never get there.
const limit = 30 * time.Minute

// A tested is a run of go test: some tests of one package.
type tested struct {
	folder  string // of the package, from the module's root
	tests   []string
	overlay string // a file for -overlay, or none
	limit   time.Duration
	env     []string
}

// run runs the tests and returns what go test -json said. Nothing that it
// started is left when it returns: go test does not end the children of a test
// binary that it kills, nor those of one that crashes.
func (r tested) run(ctx context.Context) (recording, error) {
	args := []string{
		"test", "-json", "-vet=off", "-count=1", "-timeout=" + r.limit.String(),
		"-run=^(" + strings.Join(r.tests, "|") + ")$",
	}
	if r.overlay != "" {
		args = append(args, "-overlay="+r.overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+r.folder)...)
	cmd.Dir = root
	cmd.Env = append(environment(), r.env...)
	out, err := output(cmd)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s was cut short: %w\n%s", cmd, context.Cause(ctx), out)
	}
	return record(out, err)
}

// environment is ours without the variables that make tests longer, and with a
// seed: what fails today fails tomorrow.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BERTH_") })
	return append(env, "BERTH_SEED=1")
}

// output runs the command in a process group of its own, ends that group with
// it, and returns what was printed. It goes to a file: a pipe would have Wait
// wait for whoever still holds it.
func output(cmd *exec.Cmd) ([]byte, error) {
	f, err := os.CreateTemp("", "berth-mutation-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	killGroup := ownGroup(cmd)
	cmd.Cancel = func() error { killGroup(); return nil }
	err = cmd.Run()
	killGroup()
	out, readErr := os.ReadFile(f.Name())
	if readErr != nil {
		return nil, readErr
	}
	return bytes.TrimSpace(out), err
}
