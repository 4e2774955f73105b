package pool

import (
	"context"
	"time"

	"github.com/berth-go/berth/internal/linkctx"
)

// runKey finds in a context the task that runs under it.
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
}

// ended is the context of an attempt that is over.
var ended = func() *liveCtx {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(context.Canceled)
	return &liveCtx{ctx: ctx, cancel: cancel}
}()

func (c *jobCtx) Deadline() (time.Time, bool) { return (*Task)(c).parent().Deadline() }

func (c *jobCtx) Done() <-chan struct{} { return (*Task)(c).makeLive().ctx.Done() }

func (c *jobCtx) Err() error {
	if l := c.live.Load(); l != nil {
		return l.ctx.Err()
	}
	if (*Task)(c).isDone() {
		return context.Canceled
	}
	if err := (*Task)(c).parent().Err(); err != nil {
		return err
	}
	if h := (*Task)(c).hold(); h != nil && h.context().Err() != nil {
		// The real context reports the loss as its cause.
		return (*Task)(c).makeLive().ctx.Err()
	}
	return nil
}

func (c *jobCtx) Value(key any) any {
	if _, ours := key.(runKey); ours {
		return (*Task)(c)
	}
	l := c.live.Load()
	if l == nil && (*Task)(c).isDone() {
		l = ended
	}
	if l != nil && l != ended {
		return l.ctx.Value(key)
	}
	if l == ended {
		if v := ended.ctx.Value(key); v != nil {
			return v // of its end the parent does not know
		}
	}
	return (*Task)(c).parent().Value(key)
}

// makeLive returns the real context of the first attempt.
func (t *Task) makeLive() *liveCtx {
	if l := t.live.Load(); l != nil {
		return l
	}
	if t.isDone() {
		return ended
	}
	l := newLive(t.parent(), t.hold())
	if !t.live.CompareAndSwap(nil, l) {
		l.end()
		return t.live.Load()
	}
	if t.isDone() {
		l.end() // complete may have looked before l was there
	}
	return l
}

// newLive returns a child of parent that also ends with the slot of h, if there
// is one: in the call that ends the slot, and for its reason.
func newLive(parent context.Context, h *hold) *liveCtx {
	if h == nil {
		ctx, cancel := context.WithCancelCause(parent)
		return &liveCtx{ctx: ctx, cancel: cancel}
	}
	ctx := linkctx.Under(h.context(), parent)
	return &liveCtx{ctx: ctx, cancel: ctx.Cancel}
}

func (l *liveCtx) end() { l.cancel(context.Canceled) }

// endContext ends the context of the attempt that is over.
func (t *Task) endContext() {
	if m := t.more(); m != nil && m.runs > 1 {
		m.endLater()
		return
	}
	if l := t.live.Load(); l != nil {
		l.end()
	}
}

// sealContext is endContext for a first attempt that another will follow: what
// the job left behind cannot make a context for it any more.
func (t *Task) sealContext() {
	t.live.CompareAndSwap(nil, ended)
	t.endContext()
}

// interrupt ends the context of a task that runs.
func (t *Task) interrupt(cause error) {
	if !t.isRunning() {
		return
	}
	t.makeLive().cancel(cause)
	if m := t.more(); m != nil {
		m.interrupt(cause)
	}
	t.pool.watchOverrun(t)
}

// interrupt ends the context of the attempt after the first that runs.
func (m *taskMore) interrupt(cause error) {
	m.mu.Lock()
	m.cause = cause
	later := m.later
	m.mu.Unlock()
	if later != nil {
		later.cancel(cause)
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

// newAttemptContext returns the context for an attempt, which endContext ends.
func (t *Task) newAttemptContext() context.Context {
	m := t.more()
	if m == nil || m.runs <= 1 {
		return (*jobCtx)(t)
	}
	l := newLive(t.parent(), t.hold())
	m.mu.Lock()
	m.later = l
	cause := m.cause
	m.mu.Unlock()
	if cause != nil {
		l.cancel(cause)
	}
	return &laterCtx{l.ctx, t}
}

// endLater ends the context of the attempt after the first that is over.
func (m *taskMore) endLater() {
	m.mu.Lock()
	later := m.later
	m.later = nil
	m.mu.Unlock()
	if later != nil {
		later.end()
	}
}

// chainCtx is the context of an attempt in a pool with middleware. The middleware
// is made once, for all jobs: it finds in the context which of them is meant, also
// when it calls that late.
type chainCtx struct {
	context.Context
	job Job
}

// chainKey finds in a context the job of a chainCtx.
type chainKey struct{}

func (c *chainCtx) Value(key any) any {
	if _, ours := key.(chainKey); ours {
		return c.job
	}
	return c.Context.Value(key)
}
