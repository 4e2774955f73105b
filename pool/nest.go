package pool

import (
	"cmp"
	"context"
)

// waitInside waits for t as a job of the same pool. A pool of one worker and a
// limit of one slot must not wait for itself.
func (t *Task) waitInside(ctx context.Context, waiter *Task) error {
	p := t.pool
	h := waiter.hold()
	slotKey, err := p.slotKeyOf(t.key())
	sameSlot := p.src == nil || h != nil && err == nil && h.key == slotKey && !h.single
	if !sameSlot {
		return t.awaitLending(ctx)
	}
	if err := t.takeTurn(ctx, waiter); err != nil || t.isDone() {
		return cmp.Or(err, t.Err())
	}
	if t.State() == StateWaiting || !p.takePending(t) {
		p.endTurn(waiter)
		return t.awaitLending(ctx)
	}
	defer p.endTurn(waiter)
	if h != nil {
		t.useSlot(h)
		t.extra().nested = true
	}
	t.runInline()
	return t.await(ctx)
}

// awaitLending waits while the pool may run one more worker.
func (t *Task) awaitLending(ctx context.Context) error {
	if t.isDone() {
		return t.err
	}
	t.pool.lendWorker()
	defer t.pool.takeBackWorker()
	return t.await(ctx)
}

// A nest is what the goroutines of one job share that wait for tasks: they run
// those one at a time, since the job has one worker and one slot.
type nest struct {
	turn  chan struct{} // of size 1; full while one runs a task
	users int           // guarded by the pool's mu
}

// takeTurn waits until no other goroutine of the waiting job runs a task in its
// place. It returns with the turn, or without it when t is done or ctx has ended,
// whose cause it returns then.
func (t *Task) takeTurn(ctx context.Context, waiter *Task) error {
	p := t.pool
	p.lock()
	n := p.nests[waiter]
	if n == nil {
		n = &nest{turn: make(chan struct{}, 1)}
		p.nests[waiter] = n
	}
	n.users++
	p.unlock()
	select {
	case n.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case n.turn <- struct{}{}:
		return nil
	case <-t.Done():
		p.leaveNest(waiter)
		return nil
	case <-ctx.Done():
		p.leaveNest(waiter)
		return context.Cause(ctx)
	}
}

// endTurn lets the next goroutine of the waiting job run a task.
func (p *Pool) endTurn(waiter *Task) {
	p.lock()
	<-p.nests[waiter].turn // never blocks: the turn is the caller's
	p.unlock()
	p.leaveNest(waiter)
}

func (p *Pool) leaveNest(waiter *Task) {
	p.lock()
	defer p.unlock()
	if n := p.nests[waiter]; n.users > 1 {
		n.users--
	} else {
		delete(p.nests, waiter)
	}
}

// takePending takes a task that has not started from the core, which is told by
// tellEnded when it has ended. It returns false if it has started.
func (p *Pool) takePending(t *Task) bool {
	if !t.take() {
		return false
	}
	p.lock()
	p.core.Take(p.now(), t.request())
	p.unlock()
	return true
}

// runInline runs a task on the goroutine that waits for it.
func (t *Task) runInline() {
	p := t.pool
	p.lock()
	p.inline[t] = struct{}{}
	p.unlock()
	returned := false
	defer func() {
		p.lock()
		delete(p.inline, t)
		p.unlock()
		if !returned { // runtime.Goexit: the waiting job ends with it
			p.settle(t, t.attemptContext(), ErrGoexit, &p.others)
		}
		p.tellEnded()
	}()
	p.attempt(t, tryHere, &p.others)
	returned = true
}

// lendWorker lets the pool run one more worker while a job waits.
func (p *Pool) lendWorker() {
	p.lock()
	p.core.Lend(p.now())
	p.unlock()
}

func (p *Pool) takeBackWorker() {
	p.lock()
	p.core.TakeBack(p.now())
	p.unlock()
}

// drop ends a task that has not started. It returns false if it has.
func (p *Pool) drop(t *Task, cause error) bool {
	if p == nil {
		return true
	}
	if !p.takePending(t) {
		return t.isDone()
	}
	defer p.tellEnded()
	p.finish(t, t.parent(), t.endedBy(cause), false, &p.others)
	return true
}
