package pool

import (
	"context"
	"runtime"
	"sync/atomic"
)

// A State is where a task is.
type State uint32

// The states of a task:
//
//	           ┌───────── After ─────────┐
//	submit ──► Queued ──► Running ──► Done
//	             ▲           │
//	             └─ Waiting ◄┘ RetryAfter
const (
	// StateQueued: it is in its lane.
	StateQueued State = iota
	// StateWaiting: it waits for its After or its backoff to end.
	StateWaiting
	// StateRunning: a worker runs it.
	StateRunning
	// StateDone: it has its result.
	StateDone
)

// String returns the state in lower case.
func (s State) String() string {
	switch s {
	case StateWaiting:
		return "waiting"
	case StateQueued:
		return "queued"
	case StateRunning:
		return "running"
	case StateDone:
		return "done"
	}
	panic("bug: a task in an unknown state")
}

// A Task is a job that was submitted. It is safe for concurrent use.
type Task struct {
	// A task fills one cache line, which is what is passed between processors
	// for each job. What only some tasks have is in the setting.

	pool    *Pool
	job     Job
	err     error // the result; written before state becomes done
	live    atomic.Pointer[liveCtx]
	done    atomic.Pointer[doneSignal]
	setting atomic.Pointer[setting] // nil if there is nothing to say in it
	// state is a State, and in its other bits a number that grows each time the
	// task is taken out of its lane, which tells one attempt from the next.
	state atomic.Uint32
	// inLane says that the task is in its lane; guarded by the pool's mu.
	inLane bool
	// quiet says that nobody has the task: it belongs to Go, and its error is
	// the pool's to report. Set before it is queued.
	quiet bool
}

// State returns where the task is now.
func (t *Task) State() State { return stateOf(t.state.Load()) }

const (
	stateBits = 2
	stateMask = 1<<stateBits - 1
)

func stateOf(word uint32) State { return State(word & stateMask) }

// take makes a queued task run. Only one caller succeeds for each attempt.
func (t *Task) take() bool {
	word := t.state.Load()
	return stateOf(word) == StateQueued && t.state.CompareAndSwap(word, word&^stateMask+1<<stateBits|uint32(StateRunning))
}

// become changes the state of a task that is the caller's alone.
func (t *Task) become(s State) { t.state.Store(t.state.Load()&^stateMask | uint32(s)) }

// Err returns the task's result: nil if it succeeded or is not done yet. See
// [Task.State] for telling these apart.
func (t *Task) Err() error {
	if t.State() != StateDone {
		return nil
	}
	return t.err
}

// A doneSignal is closed when the task is done. Then then is called, unless it
// is nil; it has to be there before the task is queued.
type doneSignal struct {
	ch   chan struct{}
	then func(*Task)
}

var alreadyDone = func() *doneSignal {
	d := &doneSignal{ch: make(chan struct{})}
	close(d.ch)
	return d
}()

// Done returns a channel that is closed when the task has its result.
func (t *Task) Done() <-chan struct{} {
	if d := t.done.Load(); d != nil {
		return d.ch
	}
	if t.State() == StateDone {
		return alreadyDone.ch
	}
	d := &doneSignal{ch: make(chan struct{})}
	if !t.done.CompareAndSwap(nil, d) {
		return t.done.Load().ch
	}
	if t.State() == StateDone {
		t.signal(d) // complete may have looked before d was there
	}
	return d.ch
}

// Wait blocks until the task is done and returns its result, or until ctx ends
// and returns the cause of that; the task then goes on.
//
// Called by a job of the same pool, with a context derived from the job's, it
// does not wait for a worker: a task that is still queued runs at once on the
// waiting goroutine, under the slot of the job that waits where both have the
// same slot key. Where they have not, the pool may run one more worker while
// the job waits.
func (t *Task) Wait(ctx context.Context) error {
	if t.State() == StateDone {
		return t.err
	}
	if w := waiterOf(ctx, t.pool); w != nil {
		return t.waitInside(ctx, w)
	}
	return t.await(ctx)
}

func (t *Task) await(ctx context.Context) error {
	for range awaitYields { // a short job is over by then, and costs no channel
		runtime.Gosched()
		if t.State() == StateDone {
			return t.err
		}
	}
	select {
	case <-t.Done():
		return t.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Cancel ends the task: one that has not started is done at once, with
// ErrCanceled; the context of one that runs ends with that cause, its result is
// what the job makes of it, and it has no further attempt. It does not block.
func (t *Task) Cancel() {
	p := t.pool
	if p.drop(t, ErrCanceled) {
		return
	}
	t.interrupt(ErrCanceled)
	p.drop(t, ErrCanceled) // it may have begun to back off in between, see backOff
}

const awaitYields = 3

// complete publishes the result. The caller has moved the task out of every
// queue and is the only one to do so.
func (t *Task) complete(err error) {
	t.err = err
	t.endContext() // before anyone can know that the job is over
	t.become(StateDone)
	// Who asks for a context or for Done looks at the state after that, and
	// this looks for them after the state: one of the two sees the other.
	if l := t.live.Load(); l != nil {
		l.end()
	}
	if d := t.done.Load(); d != nil {
		t.signal(d)
	}
}

// signal tells those who wait for d that the task is done, once.
func (t *Task) signal(d *doneSignal) {
	if d == alreadyDone || !t.done.CompareAndSwap(d, alreadyDone) {
		return
	}
	close(d.ch)
	if d.then != nil {
		d.then(t)
	}
}
