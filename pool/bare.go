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
// allocation.
type bareCtx struct {
	w *worker
	// task is nil at first, then beingMade and the job's task, or endedTask.
	task atomic.Pointer[Task]
}

var _ context.Context = (*bareCtx)(nil)

var (
	beingMade = &Task{}
	// endedTask is that of jobs that have ended and whose context nobody had
	// looked at by then.
	endedTask = func() *Task {
		t := &Task{}
		t.live.Store(ended)
		t.become(stateDone)
		return t
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
	c.w = w
	return c
}

// get returns the job's task, making it if there is none. What the worker knows of
// the job is read after nobody else can end it.
func (c *bareCtx) get() *Task {
	for {
		switch t := c.task.Load(); t {
		case nil:
			if c.task.CompareAndSwap(nil, beingMade) {
				t = c.w.giveTask()
				c.task.Store(t)
				return t
			}
		case beingMade:
			runtime.Gosched()
		default:
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
