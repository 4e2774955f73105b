package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-go/berth/pool/internal/sched"
)

// Submit hands a job to the pool and returns its task. It blocks while the
// queue has no room (see [WithQueue]). A task that is refused is done at once,
// with ErrClosed or ErrNilJob, and its job never runs.
//
// A job that submits to its own pool should use SubmitContext with its own
// context, which never blocks.
func (p *Pool) Submit(job Job, opts ...JobOption) *Task {
	return p.SubmitContext(background, job, opts...)
}

// SubmitContext is Submit with a context: it bounds the wait for room and is the
// parent of the job's context. When it ends, a task that has not started or backs
// off ends too, with the cause of that as its result, 5 ms later at most.
//
// With the context of a job of the same pool it does not wait for room.
func (p *Pool) SubmitContext(ctx context.Context, job Job, opts ...JobOption) *Task {
	return p.submit(ctx, job, opts, nil)
}

// submit is SubmitContext. Unless then is nil it is called when the task is done.
func (p *Pool) submit(ctx context.Context, job Job, opts []JobOption, then func(*Task)) *Task {
	job, o, err := admit(job, opts)
	t := p.newTask(ctx, job, o)
	if then != nil {
		t.tell(then)
	}
	if err != nil {
		p.refuse(t, err)
		return t
	}
	_ = p.start(ctx, t, sched.Wait) // the task has the error
	return t
}

// TrySubmit is Submit that does not block: without room it returns ErrQueueFull,
// and after Shutdown ErrClosed, and no task.
func (p *Pool) TrySubmit(job Job, opts ...JobOption) (*Task, error) {
	job, o, err := admit(job, opts)
	if err != nil {
		return nil, err
	}
	t := p.newTask(background, job, o)
	if err := p.start(background, t, sched.Refuse); err != nil {
		return nil, err
	}
	return t, nil
}

// Go hands a job to the pool and forgets it. It is Submit without a task to hold:
// whatever is said of options, retries, middleware, hooks and the job's context
// holds for it too. It blocks like Submit, and costs no allocation in a pool
// without middleware and hooks, unless the job has a name or an After, looks at
// its context, or fails. What it fails with goes to the handler of
// [WithErrorHandler] or else is returned by [Pool.Wait] and [Pool.Shutdown]. It
// returns ErrClosed or ErrNilJob where the job was refused and will not run.
//
// A job that calls Go of its own pool should use GoContext with its own context,
// which never blocks.
func (p *Pool) Go(job Job, opts ...JobOption) error {
	if len(opts) == 0 && p.bare && job != nil && p.injected.put(item{job: job}) {
		return nil
	}
	return p.goWith(p.base, job, opts)
}

// GoContext is Go with a context, as SubmitContext is Submit with one: it bounds
// the wait for room and is the parent of the job's context. It costs the task.
func (p *Pool) GoContext(ctx context.Context, job Job, opts ...JobOption) error {
	return p.goWith(ctx, job, opts)
}

func (p *Pool) goWith(ctx context.Context, job Job, opts []JobOption) error {
	job, o, err := admit(job, opts)
	switch {
	case err != nil:
		return err
	case ctx == p.base && o.name == "" && o.after == 0 && p.bare:
		return p.enqueue(ctx, request{Job: item{job: job}, Key: o.key, Priority: o.priority}, sched.Wait)
	}
	t := p.newTask(ctx, job, o)
	t.beQuiet()
	return p.start(ctx, t, sched.Wait)
}

// start queues a new task, or puts it among those that wait for their time.
func (p *Pool) start(ctx context.Context, t *Task, full sched.WhenFull) error {
	r := request{Job: item{task: t}, Key: t.key()}
	var err error
	if m := t.more(); m == nil {
		err = p.enqueue(ctx, r, full)
	} else {
		r.Priority = m.priority
		if at := m.readyAt.Load(); at == 0 {
			err = p.enqueue(ctx, r, full)
		} else {
			err = p.enqueueLater(time.Duration(at), r)
		}
	}
	if err != nil {
		p.refuse(t, err)
	}
	return err
}

func (p *Pool) newTask(ctx context.Context, job Job, o jobOptions) *Task {
	t := p.makeTask(ctx, o.key)
	t.pool, t.job = p, job
	if o.name != "" || o.priority != 0 || o.after > 0 {
		m := t.extra()
		m.name, m.priority = o.name, o.priority
		if o.after > 0 {
			m.readyAt.Store(int64(sched.After(p.now(), o.after)))
		}
	}
	if p.hooks != nil {
		p.hooks.submitted(t, o.after)
	}
	return t
}

// refuse ends a task that was not accepted. One that somebody has ended meanwhile
// has its result.
func (p *Pool) refuse(t *Task, err error) {
	if !t.take() {
		return
	}
	if p.hooks != nil {
		p.hooks.finish(t.parent(), t, FinishEvent{Err: err})
	}
	t.complete(err)
}

// enqueue puts a job into its lane.
func (p *Pool) enqueue(ctx context.Context, r request, full sched.WhenFull) error {
	t := r.Job.task
	follows := t != nil && p.mayFollow(t)
	if r.Key == "" && r.Priority == 0 && !follows && p.injected.put(r.Job) {
		return nil
	}
	if full == sched.Wait && ctx != background && ctx != p.base && isInside(ctx, p) {
		full = sched.Overfill
	}
	at, err := p.lockFor(&r)
	if err != nil {
		return err
	}
	verdict, s := p.core.Submit(at, r, full)
	switch verdict {
	case sched.Accepted:
		if follows {
			p.follow(t)
		}
		p.unlock()
		return nil
	case sched.Waits:
		ready := make(chan struct{})
		s.Waiter = ready
		p.unlock()
		return p.awaitRoom(ctx, t, s, ready)
	case sched.Full:
		p.unlock()
		return ErrQueueFull
	}
	p.unlock()
	return ErrClosed
}

// lockFor locks mu and finds out what slots a job needs, unless its lane knows. The
// functions that tell are the user's and are called without mu. It returns the
// time, if the core has to know it, or an error, and mu free.
func (p *Pool) lockFor(r *request) (at time.Duration, err error) {
	p.lock()
	known, timeless := p.core.Knows(r.Key)
	if p.src != nil && !known {
		p.unlock()
		if err := p.findSlot(r); err != nil {
			return 0, err
		}
		p.lock()
	}
	if !timeless {
		at = p.now()
	}
	return at, nil
}

// findSlot finds out what slots a job needs.
func (p *Pool) findSlot(r *request) (err error) {
	if r.Slot, err = p.slotKeyOf(r.Key); err == nil {
		r.Limit = p.limitOf(r.Slot)
	}
	return err
}

// awaitRoom waits until the job is in.
func (p *Pool) awaitRoom(ctx context.Context, t *Task, s *sched.Submitter[item], ready chan struct{}) error {
	select {
	case <-ready:
	case <-ctx.Done():
		p.lock()
		gone := p.core.Withdraw(p.now(), s)
		p.unlock()
		if gone {
			return context.Cause(ctx)
		}
	}
	if s.Verdict == sched.Closed {
		return ErrClosed
	}
	if t != nil && p.mayFollow(t) { // one that got in first is in, and ends like any that is
		p.lock()
		p.follow(t)
		p.unlock()
	}
	return nil
}

// enqueueLater accepts a task whose time has not come.
func (p *Pool) enqueueLater(at time.Duration, r request) error {
	if p.src != nil {
		if err := p.findSlot(&r); err != nil {
			return err
		}
		m := r.Job.task.more()
		m.slotKey, m.limit = r.Slot, r.Limit
	}
	p.lock()
	defer p.unlock()
	if p.core.Later(p.now(), at, r) != sched.Accepted {
		return ErrClosed
	}
	if t := r.Job.task; p.mayFollow(t) {
		p.follow(t)
	}
	return nil
}

// jobOptions is what a list of options amounts to.
type jobOptions struct {
	key, name string
	priority  int
	after     time.Duration
	limited   bool
	limit     time.Duration // if limited
}

// admit returns a job as it is to run, and what its options amount to, or why it
// cannot run.
func admit(job Job, opts []JobOption) (Job, jobOptions, error) {
	o := gather(opts)
	switch {
	case job == nil:
		return nil, o, ErrNilJob
	case !o.limited:
		return job, o, nil
	case o.limit <= 0:
		return nil, o, fmt.Errorf("pool: TimeLimit(%v): give a time above zero", o.limit)
	}
	return Limited(job, o.limit), o, nil
}

func gather(opts []JobOption) (o jobOptions) {
	for i := range opts {
		switch opt := &opts[i]; opt.kind {
		case optKey:
			o.key = opt.text
		case optName:
			o.name = opt.text
		case optPriority:
			o.priority = int(opt.n)
		case optAfter:
			o.after = max(time.Duration(opt.n), 0)
		case optTimeLimit:
			o.limited, o.limit = true, time.Duration(opt.n)
		}
	}
	return o
}
