//go:build unix

package process

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// A Tree is a command and all that it has started. Its methods may be called at
// once.
type Tree struct {
	pid    int
	system system
	wakeup chan os.Signal
	stop   chan struct{}
	done   chan struct{}
	change chan struct{}

	// mu guards what follows. Signals are sent while it is held: a process that is
	// not reaped keeps its number, so that no other process gets the signal.
	mu        sync.Mutex
	events    []Event
	exited    bool
	childless bool
}

// Start starts the command. One tree at a time is possible in a process, whose
// only children they are from then on. Close has to be called.
func Start(c Command) (*Tree, error) {
	system, err := newSystem()
	if err != nil {
		return nil, err
	}
	t := &Tree{
		system: system,
		wakeup: make(chan os.Signal, 1), stop: make(chan struct{}), done: make(chan struct{}), change: make(chan struct{}, 1),
	}
	signal.Notify(t.wakeup, syscall.SIGCHLD)
	pid, err := syscall.ForkExec(c.Path, c.Args, &syscall.ProcAttr{Env: c.Env, Files: []uintptr{0, 1, 2}, Sys: attributes(c)})
	if err != nil {
		signal.Stop(t.wakeup)
		return nil, err
	}
	t.pid = pid
	go t.watch()
	return t, nil
}

// Close stops watching. It ends nothing.
func (t *Tree) Close() {
	close(t.stop)
	<-t.done
	signal.Stop(t.wakeup)
}

// Pid returns the number of the command's process.
func (t *Tree) Pid() int { return t.pid }

// Changed has a value when there are events to be read.
func (t *Tree) Changed() <-chan struct{} { return t.change }

// Events returns what has happened since it was last called.
func (t *Tree) Events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	events := t.events
	t.events = nil
	return events
}

// watch reaps what has ended until Close. It owns done.
func (t *Tree) watch() {
	defer close(t.done)
	for {
		t.mu.Lock()
		t.reap()
		t.mu.Unlock()
		select {
		case <-t.wakeup:
		case <-t.stop:
			return
		}
	}
}

// reap takes note of each child that has changed. Caller holds mu.
func (t *Tree) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(t.awaited(), &status, syscall.WNOHANG|syscall.WUNTRACED|syscall.WCONTINUED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			t.childless = true
			return
		case pid == 0:
			return
		case pid == t.pid:
			t.note(status)
		}
	}
}

// note takes down a change of the command. Caller holds mu.
func (t *Tree) note(status syscall.WaitStatus) {
	switch {
	case status.Exited():
		t.exited = true
		t.events = append(t.events, Event{Change: Exited, Code: status.ExitStatus()})
	case status.Signaled():
		t.exited = true
		t.events = append(t.events, Event{Change: Exited, Signal: status.Signal()})
	case status.Stopped():
		t.events = append(t.events, Event{Change: Stopped, Signal: status.StopSignal()})
	case status.Continued():
		t.events = append(t.events, Event{Change: Continued})
	}
	select {
	case t.change <- struct{}{}:
	default:
	}
}

// Signal sends a signal to the command alone.
func (t *Tree) Signal(sig syscall.Signal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.exited {
		_ = syscall.Kill(t.pid, sig) // it has ended, or is another user's
	}
}

// Ask asks everything to end: SIGTERM, and SIGCONT for what is stopped.
func (t *Tree) Ask() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, pid := range t.find() {
		_ = syscall.Kill(pid, syscall.SIGTERM)
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

// Kill kills everything that it finds. What is started meanwhile can escape it, so
// it is to be called until Gone.
func (t *Tree) Kill() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, pid := range t.find() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// Left returns the processes that are alive.
func (t *Tree) Left() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.find()
}

// Gone reports whether everything has ended.
func (t *Tree) Gone() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reap()
	return t.exited && t.emptied()
}
