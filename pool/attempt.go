package pool

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/pool/internal/sched"
	"github.com/berth-go/berth/slot"
)

// jobOf is the innermost link of the middleware chain, which is made once: it
// finds the job in the context.
func jobOf(ctx context.Context) error {
	if job, ok := ctx.Value(chainKey{}).(Job); ok {
		return job(ctx)
	}
	return errors.New("pool: a middleware handed on a context that is not derived from the one it was given")
}

// attempt runs a task once, from the hooks' Start to its result or its retry.
// The caller has taken it. try runs the job itself.
func (p *Pool) attempt(t *Task, try func(Job, context.Context) error, c *counts) {
	if p.bare && t.setting.Load() == nil { // nothing is known of it but its job
		p.settle(t, (*jobCtx)(t), try(t.job, (*jobCtx)(t)), c)
		return
	}
	parent := t.parent()
	if err := parent.Err(); err != nil {
		p.finish(t, parent, t.endedBy(context.Cause(parent)), false, c)
		return
	}
	t.begin()
	ctx := t.newAttemptContext()
	if p.src != nil && parent != p.base && parent.Done() != nil {
		stop := context.AfterFunc(parent, func() { p.watchOverrun(t) })
		defer stop()
	}
	job := t.job
	if p.chain != nil {
		ctx, job = &chainCtx{ctx, job}, p.chain
	}
	if p.hooks != nil {
		ctx = p.hooks.start(ctx, t)
	}
	if m := t.more(); m != nil {
		m.ctx = ctx
	}
	p.settle(t, ctx, try(job, ctx), c)
}

// begin notes that an attempt begins. Where there are hooks, they are told when.
func (t *Task) begin() {
	if t.pool.chain != nil {
		t.extra()
	}
	if m := t.more(); m != nil {
		m.runs++
		if m.attempt++; m.attempt == 1 && t.pool.hooks == nil && t.pool.chain != nil {
			m.firstStart = time.Now()
		}
	}
}

// attemptContext returns the context of the attempt that runs.
func (t *Task) attemptContext() context.Context {
	if m := t.more(); m != nil && m.ctx != nil {
		return m.ctx
	}
	return (*jobCtx)(t)
}

// settle gives a task its result, or lets it back off for another attempt.
func (p *Pool) settle(t *Task, ctx context.Context, err error, c *counts) {
	if err == nil {
		p.finish(t, ctx, nil, true, c)
		return
	}
	r := retryOf(err)
	if r == nil {
		p.finish(t, ctx, joinCause(err, ctx), true, c)
		return
	}
	t.note(r, ctx)
	cause := t.stopped()
	if cause == nil && p.isClosing() {
		cause = ErrShutdown
	}
	if cause != nil {
		p.finish(t, ctx, t.endedBy(cause), true, c)
		return
	}
	p.backOff(t, ctx, r, c)
}

// note keeps why a task waits, in case that this is the end of it.
func (t *Task) note(r *retryAfter, ctx context.Context) {
	m := t.extra()
	switch {
	case !r.notYet:
		m.failed, m.lastErr = true, joinCause(r.err, ctx)
	case !m.failed:
		m.lastErr = r.err
	}
}

// endedBy is the result of a task that will have no further attempt because of
// cause: what the last one failed with is not forgotten.
func (t *Task) endedBy(cause error) error {
	if m := t.more(); m != nil && m.lastErr != nil {
		return joinOnce(m.lastErr, cause)
	}
	return cause
}

// stopped returns why there must not be another attempt: the task was
// cancelled, or the context that it was submitted with has ended.
func (t *Task) stopped() error {
	if parent := t.parent(); parent.Err() != nil {
		return context.Cause(parent)
	}
	if m := t.more(); m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.cause != nil {
			return m.cause
		}
	}
	if l := t.live.Load(); l != nil && l != ended {
		if cause := context.Cause(l.ctx); errors.Is(cause, ErrCanceled) || errors.Is(cause, ErrShutdown) {
			return cause
		}
	}
	return nil
}

// finish gives a task its result. ran says whether an attempt ended with it.
func (p *Pool) finish(t *Task, ctx context.Context, err error, ran bool, c *counts) {
	h := t.hold()
	lost := ran && h != nil && h.lost()
	if p.hooks == nil {
		p.conclude(t, h, err, ran, lost, c)
		return
	}
	defer p.conclude(t, h, err, ran, lost, c) // also where a hook calls runtime.Goexit
	e := FinishEvent{Err: err, Running: ran, Lost: lost}
	if ran && h != nil {
		e.Slot = h.slot
	}
	p.hooks.finish(ctx, t, e)
}

// conclude is what follows when the hooks know of a result. The task is counted
// first, so that who has waited for it finds it counted; and the core is told
// after it has its result, so that who has waited for the pool finds that.
func (p *Pool) conclude(t *Task, h *hold, err error, ran, lost bool, c *counts) {
	if err != nil {
		p.countFailure(err, c)
		if t.isQuiet() {
			p.report(err)
		}
	} else if lost {
		c.lostButOK.Add(1)
	}
	if h != nil && ran {
		h.note(err)
	}
	if m := t.more(); m != nil {
		m.ctx = nil
	}
	c.finished.Add(1)
	t.complete(err)
}

// joinCause adds to an error why the job's context has ended, if it has.
func joinCause(err error, ctx context.Context) error {
	if ctx.Err() == nil {
		return err
	}
	return joinOnce(err, context.Cause(ctx))
}

func joinOnce(err, cause error) error {
	if errors.Is(err, cause) {
		return err
	}
	return errors.Join(err, cause)
}

func (p *Pool) countFailure(err error, c *counts) {
	var panicked *PanicError
	switch {
	case errors.As(err, &panicked):
		c.panicked.Add(1)
	case errors.Is(err, slot.ErrLost):
		c.lost.Add(1)
	case errors.Is(err, context.Canceled):
		c.canceled.Add(1)
	}
	c.failed.Add(1)
}

// leastPutOff is the least wait of a task that was put off: nothing else bounds
// how often a job may ask for that, and none shall be a hot loop.
const leastPutOff = 10 * time.Millisecond

// wait returns how long the task is to wait.
func (r *retryAfter) wait() time.Duration {
	if r.notYet {
		return max(r.delay, leastPutOff)
	}
	return r.delay
}

// backOff lets a task wait for its next attempt.
func (p *Pool) backOff(t *Task, ctx context.Context, r *retryAfter, c *counts) {
	m := t.extra()
	if m.runs == 0 {
		m.runs, m.attempt = 1, 1 // it had no use for the counts until now
	}
	if p.hooks != nil {
		p.hooks.retry(ctx, t, r)
	}
	m.ctx = nil
	t.sealContext()
	if r.notYet {
		m.attempt--
		c.notYet.Add(1)
	} else {
		c.retries.Add(1)
	}
	if !p.startWaiting(t, r.wait()) {
		// It has been told of as a retry, so it ends like one that waits.
		p.finish(t, t.parent(), t.endedBy(ErrShutdown), false, c)
		return
	}
	// Cancel leaves word and then looks whether the task waits, this the other way
	// round: one of the two ends it.
	if cause := t.stopped(); cause != nil {
		p.drop(t, cause)
	}
}

// startWaiting lets a task wait for its next attempt, unless the pool is
// shutting down.
func (p *Pool) startWaiting(t *Task, wait time.Duration) bool {
	r, m := t.request(), t.more()
	p.lock()
	defer p.unlock()
	now := p.now()
	at := sched.After(now, wait)
	if p.core.Again(now, at, r) != sched.Accepted {
		return false
	}
	m.readyAt.Store(int64(at))
	if p.hooks != nil {
		m.ready = m.now().Add(wait)
	}
	t.become(statePending) // nobody else has it before mu is free
	if p.mayFollow(t) {
		p.follow(t)
	}
	return true
}

// endUnstarted ends a job that the core gives up.
func (p *Pool) endUnstarted(e effect) {
	defer p.tellEnded()
	err := ErrShutdown
	if e.Reason == sched.NoSlot {
		err = holdOf(e.Claim).err
	}
	t := e.Job.task
	if t == nil {
		p.countFailure(err, &p.others)
		p.report(err)
		p.others.finished.Add(1)
	} else if t.take() {
		p.finish(t, t.parent(), t.endedBy(err), false, &p.others)
	}
}

// tellEnded tells the core that a job has ended that no worker ran.
func (p *Pool) tellEnded() {
	p.lock()
	p.core.Ended(p.now())
	p.unlock()
}
