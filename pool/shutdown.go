package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/slot"
)

// lastMoment is how long a forced Shutdown waits for jobs to heed the end of
// their contexts.
const lastMoment = 100 * time.Millisecond

// Shutdown ends the pool, in two stages. First it takes no more jobs, ends what
// backs off or waits for its time with ErrShutdown, and lets the rest run. When
// ctx ends before that is done, it cancels what runs, with cause ErrShutdown,
// and gives that result to what is still queued; it returns at most 100 ms
// after ctx has ended, and its error then matches the cause of ctx and tells
// how many jobs ignore their context and still run.
//
// Slots are released and places in line given up; the source is not closed. All
// goroutines of the pool have ended when Shutdown returns without such jobs.
// What jobs of Go have failed with since the last Wait is part of the error. It
// can be called several times, and by several goroutines. A job of the pool that
// calls it with its own context gets ErrInside.
func (p *Pool) Shutdown(ctx context.Context) error {
	if isInside(ctx, p) {
		return ErrInside
	}
	p.beginShutdown()
	select {
	case <-p.done:
		return p.failures.take()
	default:
	}
	select {
	case <-p.done:
		return p.failures.take()
	case <-ctx.Done():
	}
	p.forceShutdown()
	timer := time.NewTimer(lastMoment)
	defer timer.Stop()
	select {
	case <-p.done:
		return errors.Join(context.Cause(ctx), p.failures.take())
	case <-timer.C:
		return errors.Join(context.Cause(ctx), p.stillRunning(), p.failures.take())
	}
}

// beginShutdown is the first stage.
func (p *Pool) beginShutdown() {
	p.lock()
	first := !p.core.Draining()
	if first {
		p.core.Drain(p.now())
	}
	p.unlock()
	if first {
		go p.finishShutdown()
	}
}

// finishShutdown ends what is left when the last goroutine has gone.
func (p *Pool) finishShutdown() {
	<-p.quiet
	p.lock()
	timer := p.agenda.timer
	p.unlock()
	if timer != nil {
		timer.Stop()
	}
	p.forgetParents()
	p.claimEnd(ErrShutdown)
	p.baseEnd(ErrShutdown)
	close(p.done)
}

// forceShutdown is the second stage.
func (p *Pool) forceShutdown() {
	p.baseEnd(ErrShutdown)
	p.claimEnd(ErrShutdown)
	p.lock()
	for p.core.Abort(p.now()) {
		p.handIn()
	}
	running := p.runningTasks()
	p.unlock()
	for _, t := range running {
		t.interrupt(ErrShutdown)
	}
}

// runningTasks returns the tasks that run; the caller holds mu.
func (p *Pool) runningTasks() (tasks []*Task) {
	for _, w := range p.workers {
		if w == nil {
			continue
		}
		if t := w.current.Load(); t != nil {
			tasks = append(tasks, t)
		}
	}
	for t := range p.inline {
		tasks = append(tasks, t)
	}
	return tasks
}

// stillRunning tells how many jobs ignore their context.
func (p *Pool) stillRunning() error {
	p.lock()
	defer p.unlock()
	n := p.core.Pending()
	if n == 0 {
		return nil
	}
	return fmt.Errorf("pool: %d jobs still run although their contexts have ended: %w", n, slotNote(p.src))
}

func slotNote(src slot.Source) error {
	if src == nil {
		return errors.New("each must return when its context ends")
	}
	return errors.New("each must return when its context ends, and keeps its slot until then")
}
