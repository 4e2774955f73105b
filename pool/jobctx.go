package pool

import (
	"context"
	"time"
)

// runKey finds in a context what runs under it: a *Task, or a *worker for a job
// without a task.
type runKey struct{}

// jobCtx is the context of a task's first attempt, in the memory of the task.
// It becomes a real one when somebody asks for Done or the task is cancelled;
// most jobs never do. Value asks the real one first, so that contexts derived
// from it find it and cost no goroutine.
type jobCtx Task

var _ context.Context = (*jobCtx)(nil)

// liveCtx is a real context of a task.
type liveCtx struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   func() bool // ends the watch over the slot; may be nil
}

// ended is the context of an attempt that is over.
var ended = func() *liveCtx {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(context.Canceled)
	return &liveCtx{ctx: ctx, cancel: cancel}
}()

func (c *jobCtx) Deadline() (time.Time, bool) { return c.parent.Deadline() }

func (c *jobCtx) Done() <-chan struct{} { return (*Task)(c).makeLive().ctx.Done() }

func (c *jobCtx) Err() error {
	if l := c.live.Load(); l != nil {
		return l.ctx.Err()
	}
	if err := c.parent.Err(); err != nil {
		return err
	}
	if h := c.hold.Load(); h != nil && h.ctx.Err() != nil {
		// The real context reports the loss as its cause.
		return (*Task)(c).makeLive().ctx.Err()
	}
	return nil
}

func (c *jobCtx) Value(key any) any {
	if _, ours := key.(runKey); ours {
		return (*Task)(c)
	}
	if l := c.live.Load(); l != nil {
		return l.ctx.Value(key)
	}
	return c.parent.Value(key)
}

// makeLive returns the real context of the first attempt.
func (t *Task) makeLive() *liveCtx {
	if l := t.live.Load(); l != nil {
		return l
	}
	l := &liveCtx{}
	l.ctx, l.cancel = context.WithCancelCause(t.parent)
	if h := t.hold.Load(); h != nil {
		l.stop = context.AfterFunc(h.ctx, func() { l.cancel(context.Cause(h.ctx)) })
		if h.ctx.Err() != nil { // do not leave it to a goroutine that has yet to run
			l.cancel(context.Cause(h.ctx))
		}
	}
	if !t.live.CompareAndSwap(nil, l) {
		l.end()
		return t.live.Load()
	}
	return l
}

func (l *liveCtx) end() {
	if l.stop != nil {
		l.stop()
	}
	l.cancel(context.Canceled)
}

// endContext ends the context of the first attempt, which is over.
func (t *Task) endContext() {
	if l := t.live.Load(); l == nil && t.live.CompareAndSwap(nil, ended) {
		return
	}
	if l := t.live.Load(); l != ended {
		l.end()
	}
}

// interrupt ends the context of a task that runs.
func (t *Task) interrupt(cause error) {
	if t.State() != StateRunning {
		return
	}
	t.makeLive().cancel(cause)
	if m := t.more; m != nil {
		m.interrupt(cause)
	}
	t.pool.watchOverrun(t)
}

// interrupt ends the context of the attempt after the first that runs.
func (m *taskMore) interrupt(cause error) {
	m.mu.Lock()
	m.cause = cause
	cancel := m.cancel
	m.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
}

// laterCtx is the context of an attempt after the first. The first one's has
// ended with it, so that what a job left behind does not live on.
type laterCtx struct {
	context.Context
	task *Task
}

func (c *laterCtx) Value(key any) any {
	if _, ours := key.(runKey); ours {
		return c.task
	}
	return c.Context.Value(key)
}

// newAttemptContext returns the context for an attempt, and what ends it.
func (t *Task) newAttemptContext() (context.Context, func()) {
	if t.more == nil || t.more.attempt <= 1 {
		return (*jobCtx)(t), func() {}
	}
	ctx, cancel := context.WithCancelCause(t.parent)
	stop := func() bool { return false }
	if h := t.hold.Load(); h != nil {
		stop = context.AfterFunc(h.ctx, func() { cancel(context.Cause(h.ctx)) })
		if h.ctx.Err() != nil {
			cancel(context.Cause(h.ctx))
		}
	}
	m := t.more
	m.mu.Lock()
	m.cancel = cancel
	cause := m.cause
	m.mu.Unlock()
	if cause != nil {
		cancel(cause)
	}
	return &laterCtx{ctx, t}, func() {
		stop()
		cancel(context.Canceled)
		m.mu.Lock()
		m.cancel = nil
		m.mu.Unlock()
	}
}

// workerCtx is the context of jobs without a task: their worker's, which ends
// when the slot is lost or the pool is shut down by force.
type workerCtx struct {
	context.Context // the pool's, or one that also ends with the slot
	w               *worker
}

func (c *workerCtx) Value(key any) any {
	if _, ours := key.(runKey); ours {
		return c.w
	}
	return c.Context.Value(key)
}
