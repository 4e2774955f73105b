package pool

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// A bareCtx is the context of a job of Go that has no task. As soon as somebody
// looks at it the job gets one, and the context is that of the task: all that can
// be seen is what it would be for Submit. Most jobs never look, and cost no
// allocation but for these few bytes, which are made many at a time. They are used
// once: a job may have left its context anywhere.
type bareCtx struct {
	state atomic.Pointer[bareState]
}

var _ context.Context = (*bareCtx)(nil)

// bareState is that of the worker while nobody has looked, then beingMade and one
// with the job's task, or bareEnded.
type bareState struct {
	w    *worker
	task *Task
}

var (
	beingMade = &bareState{}
	// bareEnded is that of jobs that have ended and whose context nobody had
	// looked at by then.
	bareEnded = func() *bareState {
		t := &Task{}
		t.live.Store(ended)
		t.become(stateDone)
		return &bareState{task: t}
	}()
)

// bareCtxs is how many contexts are made at a time.
const bareCtxs = 64

func (w *worker) newBareCtx() *bareCtx {
	if len(w.spares) == 0 {
		w.spares = make([]bareCtx, bareCtxs)
	}
	c := &w.spares[0]
	w.spares = w.spares[1:]
	c.state.Store(&w.bareState)
	return c
}

// end notes that the job has ended. It returns false if somebody has looked.
func (c *bareCtx) end(w *worker) bool { return c.state.CompareAndSwap(&w.bareState, bareEnded) }

// get returns the job's task, making it if there is none. What the worker knows of
// the job is read after nobody else can end it.
func (c *bareCtx) get() *Task {
	for {
		switch s := c.state.Load(); {
		case s.task != nil:
			return s.task
		case s == beingMade:
			runtime.Gosched()
		case c.state.CompareAndSwap(s, beingMade):
			t := s.w.giveTask()
			c.state.Store(&bareState{task: t})
			return t
		}
	}
}

// giveTask returns a task for the job that runs without one.
func (w *worker) giveTask() *Task {
	t := w.p.makeTask(w.p.base, w.order.Key)
	t.pool, t.job = w.p, w.bareJob
	t.beQuiet()
	if w.order.Level != 0 {
		t.extra().priority = w.order.Level
	}
	if w.hold != nil {
		t.useSlot(w.hold)
	}
	t.take()
	w.current.Store(t)
	return t
}

func (c *bareCtx) Deadline() (time.Time, bool) { return (*jobCtx)(c.get()).Deadline() }
func (c *bareCtx) Done() <-chan struct{}       { return (*jobCtx)(c.get()).Done() }
func (c *bareCtx) Err() error                  { return (*jobCtx)(c.get()).Err() }
func (c *bareCtx) Value(key any) any           { return (*jobCtx)(c.get()).Value(key) }
