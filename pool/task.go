package pool

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var contextCanceled = context.Canceled

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
//
// It fills one cache line, as that is what is passed between processors for each
// job; what few tasks have is elsewhere.
type Task struct {
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

// A setting is what a task has that was given a context or a key, that runs
// under a slot, or that was asked to end.
type setting struct {
	parent context.Context // of the job's context
	key    string
	hold   atomic.Pointer[hold] // of the latest attempt
	watch  atomic.Uint32        // the state word of the attempt that is watched for overrun
	more   atomic.Pointer[taskMore]
}

// taskMore is what a task has that was given more than that, that needed more
// than one attempt, or that hooks watch.
type taskMore struct {
	name       string
	priority   int
	attempt    int       // written by the goroutine that runs the task
	firstStart time.Time // likewise
	submitted  time.Time // taken for hooks only
	ready      time.Time // likewise
	states     []any     // a word for each Hooks
	state      [1]any    // states where there is one Hooks, as in most pools
	lastErr    error     // of the attempt before; read when a shutdown ends the backoff
	ctx        context.Context
	nested     bool     // it runs under the slot of a job that waits for it
	delay      *delayed // its place among those that wait; guarded by the pool's mu

	mu    sync.Mutex // guards what follows
	later *liveCtx   // of an attempt after the first
	cause error
}

// makeTask returns a task with as much as it is known to need, in one piece of
// memory. Its context is background unless it needs a setting.
func (p *Pool) makeTask(parent context.Context, key string) *Task {
	switch {
	case p.hooks != nil:
		t := &struct {
			Task
			setting setting
			more    taskMore
		}{}
		t.setting.parent, t.setting.key = parent, key
		t.setting.more.Store(&t.more)
		t.Task.setting.Store(&t.setting)
		return &t.Task
	case p.src != nil || p.chain != nil || key != "" || parent != background:
		t := &struct {
			Task
			setting setting
		}{}
		t.setting.parent, t.setting.key = parent, key
		t.Task.setting.Store(&t.setting)
		return &t.Task
	}
	return &Task{}
}

var background = context.Background()

// parent returns the parent of the job's context.
func (t *Task) parent() context.Context {
	if s := t.setting.Load(); s != nil {
		return s.parent
	}
	return background
}

func (t *Task) key() string {
	if s := t.setting.Load(); s != nil {
		return s.key
	}
	return ""
}

// hold returns that of the latest attempt, or nil.
func (t *Task) hold() *hold {
	if s := t.setting.Load(); s != nil {
		return s.hold.Load()
	}
	return nil
}

// more returns what few tasks have, or nil.
func (t *Task) more() *taskMore {
	if s := t.setting.Load(); s != nil {
		return s.more.Load()
	}
	return nil
}

// set returns the task's setting, making it first.
func (t *Task) set() *setting {
	if s := t.setting.Load(); s != nil {
		return s
	}
	t.setting.CompareAndSwap(nil, &setting{parent: background})
	return t.setting.Load()
}

// extra returns t.more, making it first. Only the goroutine that owns the task
// at that time may call it: the submitter before it is queued, then the one
// that runs it.
func (t *Task) extra() *taskMore {
	s := t.set()
	m := s.more.Load()
	if m == nil {
		m = &taskMore{}
		s.more.Store(m)
	}
	return m
}

func (t *Task) priority() int {
	if m := t.more(); m != nil {
		return m.priority
	}
	return 0
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
// ErrCanceled; the context of one that runs ends with that cause, and its
// result is what the job makes of it. It does not block.
func (t *Task) Cancel() {
	if !t.pool.drop(t, ErrCanceled) {
		t.interrupt(ErrCanceled)
	}
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
