// Package fleet runs worker processes: starts them, passes lines to them and
// from them, kills them, and tells when they are gone.
package fleet

import (
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/pipe"
)

// An Event is what a worker process did. Its last one has Gone set.
type Event struct {
	Worker *Worker
	Result pipe.Result // unless Gone
	Gone   bool        // the process has ended, and nothing more comes from it
	Err    error       // with Gone: why, unless it ended in order
}

// A Process is what a worker runs in.
type Process interface {
	Stdin() io.WriteCloser
	Stdout() io.Reader
	Wait() error // until it has ended; called when Stdout has, or after Kill
	Kill() error
	PID() int
}

// A Worker is a process that was started.
type Worker struct {
	Number int // from 1

	process  Process
	commands chan pipe.Command // from Send and Drain to the writing goroutine
	pauses   chan pipe.Command // the same from Pause
	hangUp   chan struct{}     // closed by Close: the writing goroutine closes the process's input
	gone     chan struct{}     // closed by the reading goroutine when the process has ended
	written  chan struct{}     // closed by the writing goroutine at its end
	closed   bool              // by Close; used by the owner only
}

// maxPauses is how many pauses a worker has not read yet, at most. It learns by
// itself what it is not told.
const maxPauses = 64

// Start starts cmd as worker number and gives it its setup. What it does comes
// over events, which the owner must receive until the event with Gone.
//
// One goroutine owns the Worker and calls its methods.
func Start(cmd *exec.Cmd, setup pipe.Setup, events chan<- Event) (*Worker, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start worker %d: %w", setup.Worker, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start worker %d: %w", setup.Worker, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start worker %d: %w", setup.Worker, err)
	}
	return Attach(&command{cmd, stdin, stdout}, setup, events), nil
}

// Attach is Start with a process that runs already.
func Attach(process Process, setup pipe.Setup, events chan<- Event) *Worker {
	w := &Worker{
		Number:  setup.Worker,
		process: process,
		// Room for the setup, all URLs that it has at a time, and the drain:
		// sending never blocks.
		commands: make(chan pipe.Command, setup.Window+2),
		pauses:   make(chan pipe.Command, maxPauses),
		hangUp:   make(chan struct{}),
		gone:     make(chan struct{}),
		written:  make(chan struct{}),
	}
	w.commands <- pipe.Command{Setup: &setup}
	go w.write(process.Stdin())
	go w.read(process.Stdout(), events)
	return w
}

// A command is a process of the operating system.
type command struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader
}

func (c *command) Stdin() io.WriteCloser { return c.stdin }
func (c *command) Stdout() io.Reader     { return c.stdout }
func (c *command) Wait() error           { return c.cmd.Wait() }
func (c *command) Kill() error           { return c.cmd.Process.Kill() }
func (c *command) PID() int              { return c.cmd.Process.Pid }

// write passes commands on until the process is gone or its input is to be
// closed.
func (w *Worker) write(stdin io.WriteCloser) {
	defer close(w.written)
	defer stdin.Close()
	lines := pipe.NewWriter[pipe.Command](stdin)
	// The setup is in commands, and must come before any pause.
	err := lines.Write(<-w.commands)
	// An error means that the process is dying, which read reports.
	for err == nil {
		select {
		case c := <-w.commands:
			err = lines.Write(c)
		case c := <-w.pauses:
			err = lines.Write(c)
		case <-w.hangUp:
			return
		case <-w.gone:
			return
		}
	}
}

// read passes results on until the process has ended, and says so.
func (w *Worker) read(stdout io.Reader, events chan<- Event) {
	results := pipe.NewReader[pipe.Result](stdout)
	var broken error
	for {
		r, err := results.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			// It does not speak the protocol: nothing that it says can be used.
			broken = err
			w.process.Kill()
			io.Copy(io.Discard, stdout)
			break
		}
		events <- Event{Worker: w, Result: r}
	}
	err := w.process.Wait()
	if broken != nil {
		err = broken
	}
	close(w.gone)
	<-w.written
	events <- Event{Worker: w, Gone: true, Err: err}
}

// Send gives the worker a URL. It does not block while the worker has no more
// than its window of them, and does nothing once the process is gone.
func (w *Worker) Send(c pipe.Command) { w.send(c) }

// Drain tells the worker to finish what it has, within a time, and to end.
func (w *Worker) Drain(within time.Duration) { w.send(pipe.Command{Drain: true, Within: within}) }

// Pause tells the worker what a host told another one. It never blocks: a worker
// that is too busy to listen is not told.
func (w *Worker) Pause(p pipe.Pause) {
	select {
	case w.pauses <- pipe.Command{Pause: &p}:
	default:
	}
}

func (w *Worker) send(c pipe.Command) {
	select {
	case w.commands <- c:
	case <-w.gone:
	}
}

// Close ends the worker's input, upon which it stops at once. It may be called
// more than once.
func (w *Worker) Close() {
	if !w.closed {
		w.closed = true
		close(w.hangUp)
	}
}

// Kill ends the process as the kernel does it when memory runs out: SIGKILL, no
// last words.
func (w *Worker) Kill() error { return w.process.Kill() }

// PID is the id of the process.
func (w *Worker) PID() int { return w.process.PID() }
