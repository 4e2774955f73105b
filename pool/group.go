package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/berth-go/berth/pool/internal/sched"
)

// A Group is some of a pool's tasks, to be waited for together. It is made by
// [Pool.Group] and safe for concurrent use.
type Group struct {
	p      *Pool
	ctx    context.Context // of every task
	cancel context.CancelCauseFunc
	fast   bool // the first error cancels the rest

	mu    sync.Mutex // guards what follows; no task is touched while it is held
	tasks []*Task    // not done, or failed, in the order of their submits
	waits int        // calls of Wait that go through tasks by number
	sweep int        // the length of tasks at which those that succeeded are dropped
}

// A GroupOption configures a group.
type GroupOption func(*Group)

// CancelOnError makes the first task of a group that fails cancel the others: a
// task that has not started is done at once, the context of one that runs ends,
// and later submits are refused, all with a cause that names the error. A task
// fails with the result of its last attempt, so retries come first.
func CancelOnError() GroupOption { return func(g *Group) { g.fast = true } }

// Group returns a new group of tasks. ctx is the parent of their contexts and
// bounds their waits for room. The group must be waited for or cancelled, or it
// keeps what it holds until ctx ends. A nil option makes a group that refuses
// every task, with an error that says so.
func (p *Pool) Group(ctx context.Context, opts ...GroupOption) *Group {
	g := &Group{p: p, sweep: 64}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	for i, opt := range opts {
		if opt == nil {
			g.cancel(fmt.Errorf("pool: option %d of Group is nil", i+1))
			continue
		}
		opt(g)
	}
	return g
}

// Submit is [Pool.SubmitContext] for a task of the group. After Cancel, the end
// of the group's context or, with [CancelOnError], a failure, the task is
// refused: it is done at once with the cause. A job that submits to a group of its
// own pool waits for room like anybody else, unless the group was made with the
// job's context.
func (g *Group) Submit(job Job, opts ...JobOption) *Task {
	job, o, err := admit(job, opts)
	t := g.p.newTask(g.ctx, job, o)
	if g.fast {
		t.tell(g.taskDone)
	}
	switch {
	case err != nil:
		g.p.refuse(t, err)
	case g.ctx.Err() != nil:
		g.p.refuse(t, context.Cause(g.ctx))
	default:
		_ = g.p.start(g.ctx, t, sched.Wait) // the task has the error
	}
	g.add(t)
	if g.ctx.Err() != nil {
		g.p.drop(t, context.Cause(g.ctx)) // the group ended before it had the task
	}
	return t
}

// add remembers a task. To keep the memory bounded by what is not done, it
// forgets those that have succeeded whenever their number may have doubled.
func (g *Group) add(t *Task) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tasks = append(g.tasks, t)
	if len(g.tasks) < g.sweep || g.waits > 0 {
		return
	}
	g.tasks = slices.DeleteFunc(g.tasks, func(t *Task) bool { return t.isDone() && t.err == nil })
	g.sweep = max(64, 2*len(g.tasks))
}

// Wait blocks until every task of the group is done, also those that are
// submitted meanwhile, and returns their errors, joined in the order of the
// submits; or until ctx ends, whose cause it returns then, and the tasks go on.
// What only says that the group was cancelled because of another error is left
// out.
//
// The group's context ends when Wait has seen all tasks done, so a group is used
// for one round: later submits are refused. A job of the same pool that waits
// with its own context runs what is queued itself, see [Task.Wait].
func (g *Group) Wait(ctx context.Context) error {
	g.countWaits(1)
	defer g.countWaits(-1)
	var errs []error
	for i := 0; ; i++ {
		t := g.task(i)
		if t == nil {
			break
		}
		err := t.Wait(ctx)
		if !t.isDone() {
			return err
		}
		if err != nil && !g.isConsequence(err) {
			errs = append(errs, err)
		}
	}
	g.cancel(errGroupOver)
	return errors.Join(errs...)
}

func (g *Group) countWaits(n int) {
	g.mu.Lock()
	g.waits += n
	g.mu.Unlock()
}

// task returns the task of a number, or nil if there are not so many.
func (g *Group) task(i int) *Task {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i >= len(g.tasks) {
		return nil
	}
	return g.tasks[i]
}

// Cancel ends the group: as if each of its tasks were cancelled, and later
// submits are refused. It does not block.
func (g *Group) Cancel() { g.end(ErrCanceled) }

var errGroupOver = errors.New("pool: the group has been waited for")

// taskDone is called when a task of a group that cancels on errors is done.
func (g *Group) taskDone(t *Task) {
	if t.err != nil && g.ctx.Err() == nil {
		g.end(&groupCanceled{t.err})
	}
}

// end ends the context of all tasks, and those that have not started.
func (g *Group) end(cause error) {
	g.cancel(cause)
	cause = context.Cause(g.ctx) // the first
	g.mu.Lock()
	tasks := slices.Clone(g.tasks)
	g.mu.Unlock()
	for _, t := range tasks {
		g.p.drop(t, cause)
	}
}

// isConsequence reports whether err says nothing but that the group was
// cancelled because of another error.
func (g *Group) isConsequence(err error) bool {
	cause, ok := context.Cause(g.ctx).(*groupCanceled)
	return ok && saysOnly(err, cause)
}

// saysOnly reports whether err is made of cause and context.Canceled alone.
func saysOnly(err, cause error) bool {
	if err == cause || err == context.Canceled {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return e.Unwrap() != nil && saysOnly(e.Unwrap(), cause)
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			if !saysOnly(part, cause) {
				return false
			}
		}
		return len(e.Unwrap()) > 0
	}
	return false
}

// groupCanceled is the cause of the contexts of a group that was cancelled by
// an error. It matches context.Canceled.
type groupCanceled struct{ err error }

func (c *groupCanceled) Error() string {
	return fmt.Sprintf("pool: the group was cancelled by another task's error: %v", c.err)
}

func (c *groupCanceled) Unwrap() error { return c.err }

func (c *groupCanceled) Is(target error) bool { return target == context.Canceled }
