// Package programtest builds the program of the package under test and runs it
// the way its users do.
package programtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Program is a program that was built.
type Program struct {
	path string
	dir  string
}

// Build builds the program in the current folder. Call Remove at the end.
func Build() (*Program, error) {
	dir, err := os.MkdirTemp("", "berth-example-")
	if err != nil {
		return nil, err
	}
	p := &Program{path: filepath.Join(dir, "program"), dir: dir}
	if out, err := exec.Command("go", "build", "-o", p.path, ".").CombinedOutput(); err != nil {
		p.Remove()
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return p, nil
}

// Remove deletes the program.
func (p *Program) Remove() { os.RemoveAll(p.dir) }

// A Run is a run of a program. Its process has a group of its own, with its
// children.
type Run struct {
	t   testing.TB
	cmd *exec.Cmd
	// Out and Err are what it has printed, once it has ended.
	Out, Err string
	out, err buffer
}

// A buffer may be read while it is written.
type buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Command returns the program as a command, for whoever talks to it.
func (p *Program) Command(args ...string) *exec.Cmd { return exec.Command(p.path, args...) }

// Start starts the program. It is killed with its children at the end of the
// test.
func (p *Program) Start(t testing.TB, args ...string) *Run {
	t.Helper()
	r := &Run{t: t, cmd: p.Command(args...)}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.err
	ownGroup(r.cmd)
	// Children that hold on to the output would keep Wait from returning.
	r.cmd.WaitDelay = 10 * time.Second
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = signalGroup(r.cmd, syscall.SIGKILL) })
	return r
}

// Run runs the program to its end and returns what it printed and its exit
// status.
func (p *Program) Run(t testing.TB, args ...string) (r *Run, status int) {
	t.Helper()
	r = p.Start(t, args...)
	return r, r.Wait()
}

// Wait waits for the end of the program and returns its exit status, -1 if a
// signal ended it. On failure of the test what it printed is logged.
func (r *Run) Wait() int {
	r.cmd.Wait() // the status says it all
	r.Out, r.Err = r.out.String(), r.err.String()
	r.t.Cleanup(func() {
		if r.t.Failed() {
			r.t.Logf("%v\n%s%s", r.cmd.Args[1:], r.Out, r.Err)
		}
	})
	return r.cmd.ProcessState.ExitCode()
}

// Printed returns what the program has printed up to now.
func (r *Run) Printed() string { return r.out.String() }

var board = regexp.MustCompile(`pool is shown at (http://\S+/)`)

// Boards waits until the program has said where n dashboards are, and returns what
// each has as JSON now.
func (r *Run) Boards(n int) (states []string) {
	r.t.Helper()
	var found [][]string
	for began := time.Now(); len(found) < n; time.Sleep(10 * time.Millisecond) {
		if found = board.FindAllStringSubmatch(r.Printed(), -1); time.Since(began) > time.Minute {
			r.t.Fatalf("%d of %d dashboards were named: %s", len(found), n, r.Printed())
		}
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, address := range found {
		answer, err := client.Get(address[1] + "state.json")
		if err != nil {
			r.t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if answer.Body.Close(); err != nil {
			r.t.Fatal(err)
		}
		states = append(states, string(text))
	}
	return states
}

// SignalAll sends a signal to the program and its children, as a terminal does.
func (r *Run) SignalAll(s syscall.Signal) { _ = signalGroup(r.cmd, s) }

// Signal sends a signal to the program alone.
func (r *Run) Signal(s syscall.Signal) { r.cmd.Process.Signal(s) }

// Alive reports whether the program or a child of it is still there.
func (r *Run) Alive() bool { return signalGroup(r.cmd, 0) == nil }
