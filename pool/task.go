package pool

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/berth-go/berth/pool/internal/sched"
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

// taskState is where a task is as its own goroutines see it. The core knows
// whether one that is pending is in its lane, in a batch or delayed.
//
//	         take: a worker, or somebody who waits for it
//	pending ─────────────────────────────────────────────▶ running ──▶ done
//	   ▲  │                                                   │  ▲
//	   │  ╰─ take: it ends unstarted ─────────────────────────┼──╯
//	   ╰──────────────────────────────────────────────────────╯ backOff
type taskState uint32

const (
	statePending taskState = iota
	stateRunning
	stateDone
)

// String returns the word for it.
func (s taskState) String() string {
	switch s {
	case statePending:
		return "pending"
	case stateRunning:
		return "running"
	case stateDone:
		return "done"
	}
	panic("bug: a task in an unknown state")
}

// A Task is a job that was submitted. It is safe for concurrent use.
type Task struct {
	// A task fills one cache line, which is what is passed between processors
	// for each job. What only some tasks have is in the setting.

	pool    *Pool
	job     Job   // nil once it is done
	err     error // the result; written before the state becomes done
	live    atomic.Pointer[liveCtx]
	done    atomic.Pointer[doneSignal]
	setting atomic.Pointer[setting] // nil if there is nothing to say in it
	// word is a taskState, whether it is quiet, and in its other bits a number
	// that grows each time the task is taken, which tells one attempt from the
	// next.
	word atomic.Uint32
	node sched.Node // the core's
}

// The parts of a task's word.
const (
	stateMask uint32 = 1<<2 - 1
	quietBit  uint32 = 1 << 2 // nobody has the task, and its error is the pool's to report
	takenOne  uint32 = 1 << 3
)

func stateOf(word uint32) taskState { return taskState(word & stateMask) }

func (t *Task) isPending() bool { return stateOf(t.word.Load()) == statePending }
func (t *Task) isRunning() bool { return stateOf(t.word.Load()) == stateRunning }
func (t *Task) isDone() bool    { return stateOf(t.word.Load()) == stateDone }
func (t *Task) isQuiet() bool   { return t.word.Load()&quietBit != 0 }

// beQuiet is called before the task is queued.
func (t *Task) beQuiet() { t.word.Store(t.word.Load() | quietBit) }

// State returns where the task is now.
func (t *Task) State() State {
	switch stateOf(t.word.Load()) {
	case stateRunning:
		return StateRunning
	case stateDone:
		return StateDone
	}
	if m := t.more(); m != nil && m.readyAt.Load() > int64(t.pool.now()) {
		return StateWaiting
	}
	return StateQueued
}

// take makes a pending task run. Only one caller succeeds for each attempt.
func (t *Task) take() bool {
	word := t.word.Load()
	return stateOf(word) == statePending && t.word.CompareAndSwap(word, word&^stateMask+takenOne|uint32(stateRunning))
}

// become changes the state of a task that is the caller's alone.
func (t *Task) become(s taskState) { t.word.Store(t.word.Load()&^stateMask | uint32(s)) }

// Err returns the task's result: nil if it succeeded or is not done yet. See
// [Task.State] for telling these apart.
func (t *Task) Err() error {
	if !t.isDone() {
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

// tell has then called when the task is done. It comes before the task is queued.
func (t *Task) tell(then func(*Task)) {
	t.done.Store(&doneSignal{ch: make(chan struct{}), then: then})
}

// failedTask returns a task that is done with an error and was never a pool's.
func failedTask(err error) *Task {
	t := &Task{err: err}
	t.become(stateDone)
	return t
}

// Done returns a channel that is closed when the task has its result.
func (t *Task) Done() <-chan struct{} {
	if d := t.done.Load(); d != nil {
		return d.ch
	}
	if t.isDone() {
		return alreadyDone.ch
	}
	d := &doneSignal{ch: make(chan struct{})}
	if !t.done.CompareAndSwap(nil, d) {
		return t.done.Load().ch
	}
	if t.isDone() {
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
	if t.isDone() {
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
		if t.isDone() {
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
	t.err, t.job = err, nil
	t.endContext() // before anyone can know that the job is over
	t.become(stateDone)
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
