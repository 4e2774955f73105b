package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A setting is the part of a task that only some tasks need: those that were given a
// context or a key, those that run under a slot, and those that were asked to end.
type setting struct {
	parent context.Context // of the job's context
	key    string
	hold   atomic.Pointer[hold] // of the latest attempt
	watch  atomic.Uint32        // the word of the attempt that is watched for overrun
	more   atomic.Pointer[taskMore]
	// follows is the context whose end ends the task while it waits; guarded by the
	// pool's mu.
	follows *submitter
}

// taskMore is what a task has that was given more than that, that needed more
// than one attempt, or that hooks watch.
type taskMore struct {
	name       string
	slotKey    string // as it was when the task was submitted; for hooks and for what is delayed
	limit      int    // of that, if it is known
	priority   int
	runs       int       // how often it was started; written by the goroutine that runs it
	attempt    int       // runs, without those that asked to come back later; likewise
	firstStart time.Time // likewise
	submitted  time.Time // taken for hooks only
	ready      time.Time // likewise
	states     []any     // a word for each Hooks
	state      [1]any    // states where there is one Hooks, as in most pools
	failed     bool      // an attempt has; likewise
	lastErr    error     // what the last one failed with, else why it was put off; read when its wait ends otherwise
	ctx        context.Context
	nested     bool         // it runs under the slot of a job that waits for it
	readyAt    atomic.Int64 // until when it is delayed, by the pool's clock

	mu    sync.Mutex // guards what follows
	later *liveCtx   // of an attempt after the first
	cause error
}

// makeTask returns a task with what it is known to need, in one piece of memory.
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

// useSlot notes the slot that the attempt runs under.
func (t *Task) useSlot(h *hold) {
	t.ensureSetting().hold.Store(h)
	if m := t.more(); m != nil {
		m.nested = false
	}
}

// request returns what the core is asked for a task.
func (t *Task) request() request {
	r := request{Job: item{task: t}, Key: t.key()}
	m := t.more()
	if m != nil {
		r.Priority, r.Slot, r.Limit = m.priority, m.slotKey, m.limit
	}
	if h := t.hold(); h != nil {
		r.Slot, r.Limit = h.key, h.limit // the function that knows is not asked again
	}
	return r
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

// ensureSetting returns the task's setting, making it first.
func (t *Task) ensureSetting() *setting {
	if s := t.setting.Load(); s != nil {
		return s
	}
	t.setting.CompareAndSwap(nil, &setting{parent: background})
	return t.setting.Load()
}

// extra returns t.more, making it first.
func (t *Task) extra() *taskMore {
	s := t.ensureSetting()
	if s.more.Load() == nil {
		s.more.CompareAndSwap(nil, &taskMore{})
	}
	return s.more.Load()
}

// mayFollow reports whether a task may have a submitter whose context ends.
func (p *Pool) mayFollow(t *Task) bool {
	parent := t.parent()
	return parent != background && parent != p.base
}
