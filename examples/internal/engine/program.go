package engine

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// endTime is how long a program may take to end once its input has.
const endTime = 10 * time.Second

// A program is an engine that runs as a process of its own, until its standard input
// ends.
type program struct {
	what, hint string // for errors
	cmd        *exec.Cmd
	stdin      io.Closer
	stdout     output
	stderr     output
	ended      chan struct{} // closed by a goroutine when the process has ended
	err        error         // how; written before ended is closed
}

// startProgram starts a program. What it is, and a hint, are for people.
func startProgram(what, hint, name string, args ...string) (*program, error) {
	p := &program{what: what, hint: hint, cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.stdout.line = make(chan struct{})
	p.stderr.line = make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.WaitDelay = endTime
	ownGroup(p.cmd) // Ctrl-C is for the example, which ends the engine when it needs it no more
	stdin, err := p.cmd.StdinPipe()
	if err == nil {
		p.stdin, err = stdin, p.cmd.Start()
	}
	if err != nil {
		return nil, p.failed(err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// firstLine waits for the first line that the program prints, and returns it.
func (p *program) firstLine() (string, error) {
	select {
	case <-p.stdout.line:
		return p.stdout.first(), nil
	case <-p.ended:
		return "", p.failed(p.err)
	}
}

// end ends the program's input and waits for its end.
func (p *program) end() error {
	_ = p.stdin.Close() // an error says that the program has ended
	stuck := time.AfterFunc(endTime, func() { _ = killGroup(p.cmd) })
	defer stuck.Stop()
	<-p.ended
	return p.err
}

// failed is the error of a program that could not be had.
func (p *program) failed(err error) error {
	said := p.stderr.last()
	switch {
	case said != "":
	case err != nil:
		said = err.Error()
	default:
		said = "it has ended without a word"
	}
	return fmt.Errorf("start %s: %s (%s)", p.what, said, p.hint)
}

// An output keeps what a program prints: the beginning, and then the last of it.
type output struct {
	mu   sync.Mutex // guards what follows
	buf  bytes.Buffer
	line chan struct{} // closed once there is a line
	is   bool          // there is
}

const maxKept = 4 << 10

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(b)
	if !o.is && bytes.IndexByte(b, '\n') >= 0 {
		o.is = true
		close(o.line)
	}
	if over := o.buf.Len() - maxKept; over > 0 {
		o.buf.Next(over)
	}
	return len(b), nil
}

func (o *output) lines() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Split(strings.TrimSpace(o.buf.String()), "\n")
}

func (o *output) first() string { return strings.TrimSpace(o.lines()[0]) }

func (o *output) last() string {
	all := o.lines()
	return strings.TrimSpace(all[len(all)-1])
}
