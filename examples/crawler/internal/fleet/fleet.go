// Package fleet runs worker processes: starts them, passes lines to them and
// from them, kills them, and tells when they are gone.
package fleet

import (
	"fmt"
	"io"
	"os/exec"

	"github.com/berth-go/berth/examples/crawler/internal/pipe"
)

// An Event is what a worker process did. Its last one has Gone set.
type Event struct {
	Worker *Worker
	Result pipe.Result // unless Gone
	Gone   bool        // the process has ended, and nothing more comes from it
	Err    error       // with Gone: why, unless it ended in order
}

// A Worker is a process that was started.
type Worker struct {
	Number int // from 1

	cmd      *exec.Cmd
	commands chan pipe.Command // from Send and Drain to the writing goroutine
	hangUp   chan struct{}     // closed by Close: the writing goroutine closes the process's input
	gone     chan struct{}     // closed by the reading goroutine when the process has ended
	written  chan struct{}     // closed by the writing goroutine at its end
	closed   bool              // by Close; used by the owner only
}

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
	w := &Worker{
		Number: setup.Worker,
		cmd:    cmd,
		// Room for the setup, all URLs that it has at a time, and the drain:
		// sending never blocks.
		commands: make(chan pipe.Command, setup.Window+2),
		hangUp:   make(chan struct{}),
		gone:     make(chan struct{}),
		written:  make(chan struct{}),
	}
	w.commands <- pipe.Command{Setup: &setup}
	go w.write(stdin)
	go w.read(stdout, events)
	return w, nil
}

// write passes commands on until the process is gone or its input is to be
// closed.
func (w *Worker) write(stdin io.WriteCloser) {
	defer close(w.written)
	defer stdin.Close()
	lines := pipe.NewWriter[pipe.Command](stdin)
	for {
		select {
		case c := <-w.commands:
			// An error means that the process is dying, which read reports.
			if lines.Write(c) != nil {
				return
			}
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
			w.cmd.Process.Kill()
			io.Copy(io.Discard, stdout)
			break
		}
		events <- Event{Worker: w, Result: r}
	}
	err := w.cmd.Wait()
	if broken != nil {
		err = broken
	}
	close(w.gone)
	<-w.written
	events <- Event{Worker: w, Gone: true, Err: err}
}

// Send gives the worker a URL. It does not block while the worker has no more
// than its window of them, and does nothing once the process is gone.
func (w *Worker) Send(url, host string) { w.send(pipe.Command{URL: url, Host: host}) }

// Drain tells the worker to finish what it has and to end.
func (w *Worker) Drain() { w.send(pipe.Command{Drain: true}) }

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
func (w *Worker) Kill() error { return w.cmd.Process.Kill() }

// PID is the id of the process.
func (w *Worker) PID() int { return w.cmd.Process.Pid }
