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
	p.lockOut()
	if p.closing {
		p.unlock()
		return
	}
	p.closing = true
	p.refuseBlocked(ErrClosed)
	tasks := p.endDelays()
	p.dismissIdle()
	if len(p.workers) == 0 {
		p.lastWorkerEnded()
	}
	p.unlock()
	for _, t := range tasks {
		p.finish(t, t.parent(), t.endedBy(ErrShutdown), false, &p.others)
	}
	p.tellWaiters()
	go p.finishShutdown()
}

// lastWorkerEnded is called with mu held.
func (p *Pool) lastWorkerEnded() {
	if !p.ended {
		p.ended = true
		close(p.workersGone)
	}
}

// finishShutdown ends what is left when the last worker has gone: places in
// line, grants that nobody needed, the timer.
func (p *Pool) finishShutdown() {
	<-p.workersGone
	p.endClaims()
	p.alive.Wait()
	p.lock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.delays = nil
	var left []*hold
	for p.grants.n > 0 {
		h := p.grants.pop()
		left = append(left, h)
		p.disown(h)
	}
	p.unlock()
	for _, h := range left {
		contained(h.release)
	}
	p.returning.Wait() // no grant is left that could join them
	p.baseEnd(ErrShutdown)
	close(p.done)
}

// forceShutdown is the second stage.
func (p *Pool) forceShutdown() {
	p.baseEnd(ErrShutdown)
	p.endClaims()
	p.lock()
	items := p.takeEverything()
	running := p.runningTasks()
	p.dismissIdle()
	p.unlock()
	for _, t := range running {
		t.interrupt(ErrShutdown)
	}
	for _, it := range items {
		p.fail(it, ErrShutdown)
	}
	p.tellWaiters()
}

// endClaims gives up every claim.
func (p *Pool) endClaims() {
	p.claimEnd(ErrShutdown) // first: no claim is begun any more
	p.lock()
	defer p.unlock()
	for _, g := range p.groups {
		p.giveUpLine(g)
	}
}

// takeEverything takes every job that has not started; the caller holds mu.
func (p *Pool) takeEverything() (items []item) {
	take := func(g *group) {
		for g.n > 0 {
			it, _ := p.takeFrom(g)
			items = append(items, it)
		}
	}
	take(&p.all)
	for _, g := range p.groups {
		take(g)
	}
	for _, w := range p.workers {
		for it, ok := w.batch.rob(); ok; it, ok = w.batch.rob() {
			items = append(items, it)
		}
	}
	return items
}

// runningTasks returns the tasks that run; the caller holds mu.
func (p *Pool) runningTasks() (tasks []*Task) {
	for _, w := range p.workers {
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
	n := p.pending()
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
