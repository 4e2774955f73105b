package pool

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/slot"
)

// wrap returns what runs a job: the job itself, or the middleware around
// whatever job the context belongs to.
func (p *Pool) wrap(job Job) Job {
	if p.chain == nil {
		return job
	}
	return p.chain
}

// jobOf is the innermost link of the middleware chain, which is made once: it
// finds the job in the context.
func jobOf(ctx context.Context) error {
	if t, ok := ctx.Value(runKey{}).(*Task); ok { // with middleware, each job has one
		return t.job(ctx)
	}
	return errors.New("pool: a middleware handed on a context that is not derived from the one it was given")
}

// attempt runs a task once, from the hooks' Start to its result or its retry.
// The caller has moved it to StateRunning. try runs the job itself.
func (p *Pool) attempt(t *Task, try func(Job, context.Context) error, c *counts) {
	parent := t.parent()
	if err := parent.Err(); err != nil {
		p.finish(t, parent, context.Cause(parent), false, c)
		return
	}
	t.begin()
	ctx := t.newAttemptContext()
	if p.src != nil && parent.Done() != nil && !t.quiet {
		stop := context.AfterFunc(parent, func() { p.watchOverrun(t) })
		defer stop()
	}
	if p.hooks != nil {
		ctx = p.hooks.start(ctx, t)
	}
	if m := t.more(); m != nil {
		m.ctx = ctx
	}
	err := try(p.wrap(t.job), ctx)
	p.settle(t, ctx, err, c)
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

// conclude is what follows when the hooks know of a result.
func (p *Pool) conclude(t *Task, h *hold, err error, ran, lost bool, c *counts) {
	if err != nil {
		p.countFailure(err, c)
		if t.quiet {
			p.report(err)
		}
	} else if lost {
		c.lostButOK.Add(1)
	}
	if h != nil && ran {
		h.note(err)
	}
	// Counted first, so that who has waited for the task finds it counted, but
	// pending until it is complete, so that who has waited for the pool finds
	// its result.
	if c != &p.others {
		c.finish() // that it is not complete can be seen by its worker, see pending
		t.complete(err)
		return
	}
	c.ended.Add(finishedOne + completing)
	t.complete(err)
	c.ended.Add(-completing)
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
