// Package proc starts the processes that a benchmark measures or needs, reads
// what they cost, and stops them.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Process is a program that this one started. Its owner calls Stop.
type Process struct {
	cmd    *exec.Cmd
	stdin  io.Closer // open as long as this process lives
	output *tail
	done   chan struct{} // closed when the program has ended
}

// Start starts a program. What it prints is kept to explain a failure. Its standard input
// ends with this process.
func Start(path string, args ...string) (*Process, error) {
	cmd := exec.Command(path, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p, err := start(cmd)
	if err == nil {
		p.stdin = stdin
	}
	return p, err
}

func start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, output: new(tail), done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p.output
	}
	cmd.Stderr = p.output
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(cmd.Path), err)
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended is in the output
	}()
	return p, nil
}

// Stop kills the program and waits until it is gone. It may be called twice.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Output returns the end of what the program printed.
func (p *Process) Output() string { return p.output.String() }

// CPU returns the processor time that the program has used, to the
// nanosecond, over all its threads that still live.
func (p *Process) CPU() (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	if len(files) == 0 {
		return 0, fmt.Errorf("no schedstat for process %d: %s", p.cmd.Process.Pid, p.Output())
	}
	var total time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // a thread that ended meanwhile
		}
		if err != nil {
			return 0, err
		}
		ns, err := strconv.ParseInt(string(bytes.Fields(text)[0]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// Memory returns the resident memory of the program in bytes.
func (p *Process) Memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d tells no resident memory", p.cmd.Process.Pid)
}

// Answering waits until something accepts connections at addr.
func (p *Process) Answering(ctx context.Context, addr string) error {
	for {
		nc, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return nc.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended early: %s", filepath.Base(p.cmd.Path), p.Output())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: %w", filepath.Base(p.cmd.Path), addr, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// FreePort returns a loopback address that nobody listened on a moment ago. Linux
// does not give its port to whoever asks for any, as others do meanwhile.
func FreePort() (string, error) {
	const first, ports, tries = 10_000, 20_000, 100
	var err error
	for range tries {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(ports))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

// Build compiles a package of this workspace into dir and returns the binary.
func Build(ctx context.Context, dir, pkg string) (string, error) {
	path := filepath.Join(dir, filepath.Base(pkg))
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building %s: %w: %s", pkg, err, out)
	}
	return path, nil
}

// tail keeps the last few kilobytes that are written to it.
type tail struct {
	mu  sync.Mutex // guards buf
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - 4096; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// Ended reports whether the program is gone.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
