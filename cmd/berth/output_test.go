package main

import (
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// An output is what a program prints, to be waited for.
type output struct {
	t  *testing.T
	mu sync.Mutex
	b  strings.Builder
}

// follow takes what a command prints on both its outputs.
func follow(t *testing.T, cmd *exec.Cmd) *output {
	o := &output{t: t}
	cmd.Stdout, cmd.Stderr = o, o
	return o
}

// read takes what comes from r until it ends.
func (o *output) read(r io.Reader) { _, _ = io.Copy(o, r) }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.ReplaceAll(o.b.String(), "\r", "")
}

// expect waits until it has been printed.
func (o *output) expect(what string) {
	o.t.Helper()
	defer func() {
		if o.t.Failed() {
			o.t.Logf("expected %q, and there was:\n%s", what, o.text())
		}
	}()
	eventually(o.t, "this is printed: "+what, func() bool { return strings.Contains(o.text(), what) })
}
