package pool

import (
	"context"
)

// waiterOf returns the job of p that ctx belongs to, a *Task or a *worker, or nil.
func waiterOf(ctx context.Context, p *Pool) any {
	switch r := ctx.Value(runKey{}).(type) {
	case *Task:
		if r.pool == p && r.State() == StateRunning {
			return r
		}
	case *worker:
		if r.p == p {
			return r
		}
	}
	return nil
}

// isInside reports whether ctx is that of a job of p.
func isInside(ctx context.Context, p *Pool) bool { return waiterOf(ctx, p) != nil }

// waitInside waits for t as a job of the same pool. A pool of one worker and a
// limit of one slot must not wait for itself.
func (t *Task) waitInside(ctx context.Context, waiter any) error {
	p := t.pool
	h := holdOf(waiter)
	sameSlot := p.src == nil || h != nil && h.group.key == p.slotKeyOf(t.key) && !h.single
	if sameSlot && p.takeQueued(t) {
		if h != nil {
			t.hold.Store(h)
			t.extra().nested = true
		}
		t.runInline()
		return t.await(ctx)
	}
	if t.State() == StateDone {
		return t.err
	}
	p.lendWorker()
	defer p.takeBackWorker()
	return t.await(ctx)
}

func holdOf(waiter any) *hold {
	switch r := waiter.(type) {
	case *Task:
		return r.hold.Load()
	case *worker:
		return r.hold
	}
	return nil
}

// takeQueued takes a task that has not started out of its lane, or out of the
// batch that it is in. It returns false if it has started.
func (p *Pool) takeQueued(t *Task) bool {
	if !t.state.CompareAndSwap(uint32(StateQueued), uint32(StateRunning)) {
		return false
	}
	p.mu.Lock()
	if t.inLane {
		l := p.lanes[t.key]
		l.bury(t)
		p.left(l, 1)
	}
	p.mu.Unlock()
	return true
}

// runInline runs a task on the goroutine that waits for it.
func (t *Task) runInline() {
	p := t.pool
	p.mu.Lock()
	p.inline[t] = struct{}{}
	p.mu.Unlock()
	returned := false
	defer func() {
		p.mu.Lock()
		delete(p.inline, t)
		p.mu.Unlock()
		if !returned { // runtime.Goexit: the waiting job ends with it
			p.settle(t, t.attemptContext(), ErrGoexit, &p.others)
		}
		p.tellWaiters() // the job that waited may have ended before
	}()
	p.attempt(t, tryHere, &p.others)
	returned = true
}

// lendWorker lets the pool run one more worker while a job waits.
func (p *Pool) lendWorker() {
	p.mu.Lock()
	p.target++
	w := p.callWorker()
	p.mu.Unlock()
	w.call()
}

func (p *Pool) takeBackWorker() {
	p.mu.Lock()
	p.target--
	if len(p.workers) > p.target {
		p.dismissIdle()
	}
	p.mu.Unlock()
}

// drop ends a task that has not started. It returns false if it has.
func (p *Pool) drop(t *Task, cause error) bool {
	if p == nil {
		return true
	}
	if p.takeQueued(t) || p.takeWaiting(t) {
		err := cause
		if t.more != nil && t.more.lastErr != nil {
			err = joinOnce(t.more.lastErr, cause)
		}
		p.finish(t, t.parent, err, false, &p.others)
		p.tellWaiters()
		return true
	}
	return t.State() == StateDone
}

// takeWaiting takes a task out of those that wait for their time.
func (p *Pool) takeWaiting(t *Task) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.State() != StateWaiting || t.more.delay == nil || t.more.delay.index < 0 {
		return false
	}
	p.undelay(t.more.delay)
	t.more.delay = nil
	t.state.Store(uint32(StateRunning))
	return true
}
