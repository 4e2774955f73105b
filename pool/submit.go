package pool

import (
	"context"
	"time"
)

// Submit hands a job to the pool and returns its task. It blocks while the
// queue has no room (see [WithQueue]). A task that is refused is done at once,
// with ErrClosed or ErrNilJob, and its job never runs.
//
// A job that submits to its own pool should use SubmitContext with its own
// context, which never blocks.
func (p *Pool) Submit(job Job, opts ...JobOption) *Task {
	if p.lean && job != nil && len(opts) == 0 {
		t := &Task{pool: p, job: job}
		if !p.inbox.put(item{task: t}) {
			_ = p.start(background, t, waitForRoom) // the task has the error
		}
		return t
	}
	return p.submit(background, job, opts)
}

// SubmitContext is Submit with a context: it bounds the wait for room and is the
// parent of the job's context. A task whose context has ended is dropped when
// its turn comes, with the cause of that as its result.
//
// With the context of a job of the same pool it does not wait for room.
func (p *Pool) SubmitContext(ctx context.Context, job Job, opts ...JobOption) *Task {
	return p.submit(ctx, job, opts)
}

// TrySubmit is Submit that does not block: without room it returns ErrQueueFull,
// and after Shutdown ErrClosed, and no task.
func (p *Pool) TrySubmit(job Job, opts ...JobOption) (*Task, error) {
	if job == nil {
		return nil, ErrNilJob
	}
	t := p.newTask(context.Background(), job, opts)
	if err := p.start(background, t, failWhenFull); err != nil {
		return nil, err
	}
	return t, nil
}

// Go hands a job to the pool and forgets it. It is Submit without a task to hold:
// whatever is said of options, retries, middleware and hooks holds for it too. It
// blocks like Submit, and costs no allocation in a pool without middleware and
// hooks; there the context of the first attempt is the worker's or, in a pool with
// slots, the slot's: it ends when the slot is lost or the pool is shut down by
// force, but not with the job. What
// it fails with goes to the handler of [WithErrorHandler] or else is returned by
// [Pool.Wait] and [Pool.Shutdown]. It returns ErrClosed or ErrNilJob where the
// job was refused and will not run.
func (p *Pool) Go(job Job, opts ...JobOption) error {
	if job == nil {
		return ErrNilJob
	}
	if len(opts) == 0 && p.bare && p.inbox.put(item{job: job}) {
		return nil
	}
	return p.goWith(job, opts)
}

func (p *Pool) goWith(job Job, opts []JobOption) error {
	o := gather(opts)
	if o.name == "" && o.after == 0 && p.bare {
		return p.enqueue(p.base, item{job: job}, o.key, o.priority, waitForRoom)
	}
	t := p.newTask(p.base, job, opts)
	t.quiet = true
	return p.start(p.base, t, waitForRoom)
}

func (p *Pool) submit(ctx context.Context, job Job, opts []JobOption) *Task {
	t := p.newTask(ctx, job, opts)
	if job == nil {
		p.refuse(t, ErrNilJob)
		return t
	}
	_ = p.start(ctx, t, waitForRoom) // the task has the error
	return t
}

// start queues a new task, or puts it among those that wait for their time.
func (p *Pool) start(ctx context.Context, t *Task, full whenFull) error {
	var err error
	if m := t.more(); m != nil && m.delay != nil {
		if m.slotKey, err = p.slotKeyOf(t.key()); err == nil {
			err = p.enqueueLater(t, m.delay)
		}
	} else {
		err = p.enqueue(ctx, item{task: t}, t.key(), t.priority(), full)
	}
	if err != nil {
		p.refuse(t, err)
	}
	return err
}

func (p *Pool) newTask(ctx context.Context, job Job, opts []JobOption) *Task {
	o := gather(opts)
	t := p.makeTask(ctx, o.key)
	t.pool, t.job = p, job
	if o.name != "" || o.priority != 0 || o.after > 0 {
		m := t.extra()
		m.name, m.priority = o.name, o.priority
		if o.after > 0 {
			t.become(StateWaiting)
			m.delay = &delayed{task: t, at: time.Now().Add(o.after)}
		}
	}
	if p.hooks != nil {
		p.hooks.submitted(t)
	}
	return t
}

// refuse ends a task that was not accepted.
func (p *Pool) refuse(t *Task, err error) {
	if p.hooks != nil {
		p.hooks.finish(t.parent(), t, FinishEvent{Err: err})
	}
	t.complete(err)
}

// whenFull says what a submit does without room.
type whenFull uint8

const (
	waitForRoom whenFull = iota
	failWhenFull
)

// A submitter waits for room. Its lane's queue of submitters is first come,
// first served, and a job is moved into the lane on its behalf, so that nobody
// overtakes it.
type submitter struct {
	it       item
	priority int
	lane     *lane
	ready    chan struct{} // closed once the job is in, or err is set
	err      error         // written before ready is closed
	// in says that the job is in, gone that nobody waits any more; guarded by
	// the pool's mu.
	in, gone bool
}

// enqueue puts a job into the lane of key.
func (p *Pool) enqueue(ctx context.Context, it item, key string, priority int, full whenFull) error {
	if key == "" && priority == 0 && p.inbox.put(it) {
		return nil
	}
	l, err := p.lockLane(key)
	if err != nil {
		return err
	}
	if !p.hasRoom(l) && !isInside(ctx, p) {
		return p.enqueueFull(ctx, l, it, priority, full)
	}
	p.accept(l, it, priority)
	p.callWorker()
	p.unlock()
	return nil
}

// accept takes a job in; the caller holds mu.
func (p *Pool) accept(l *lane, it item, priority int) {
	p.submitted++
	first := l.n == 0
	p.add(l, priority, it)
	p.attend(l, priority, first)
}

// attend makes workers that have taken several jobs at a time look up, when
// something is queued that may go before what they took: a job of a higher
// priority, or the first one of a lane. The caller holds mu.
func (p *Pool) attend(l *lane, priority int, first bool) {
	if p.src != nil {
		p.wantClaim(l.group)
	} else if p.batches > 0 && (l.batches == 0 && first || l.batches > 0 && priority > l.batchPriority) {
		p.attention.Store(true)
	}
}

// hasRoom reports whether a lane may take a job; the caller holds mu.
func (p *Pool) hasRoom(l *lane) bool {
	if l.blocked.n > 0 {
		return false // others were here first
	}
	return p.fits(l)
}

func (p *Pool) fits(l *lane) bool {
	return l.n == 0 || l.n < p.cfg.queue && p.queued < p.cfg.queueTotal
}

// enqueueFull is enqueue without room. It is called with mu held and unlocks it.
func (p *Pool) enqueueFull(ctx context.Context, l *lane, it item, priority int, full whenFull) error {
	if full == failWhenFull {
		p.unlock()
		return ErrQueueFull
	}
	s := &submitter{it: it, priority: priority, lane: l, ready: make(chan struct{})}
	l.blocked.push(s)
	p.starve(l)
	p.unlock()
	select {
	case <-s.ready:
		return s.err
	case <-ctx.Done():
		return p.giveUp(s, context.Cause(ctx))
	}
}

// giveUp stops waiting for room. A job that got in first stays in.
func (p *Pool) giveUp(s *submitter, cause error) error {
	p.lock()
	defer p.unlock()
	if s.in {
		return nil
	}
	if s.err != nil {
		return s.err
	}
	s.gone = true
	l := s.lane
	l.blocked.keep(func(other *submitter) bool { return other != s })
	p.admitBlocked(l)
	p.retireLane(l)
	return cause
}

// starve lists a lane that has room of its own but waits for room in all.
func (p *Pool) starve(l *lane) {
	if !l.starved && l.blocked.n > 0 && l.n < p.cfg.queue {
		l.starved = true
		p.starved.push(l)
	}
}

// admitBlocked moves the jobs of blocked submitters in after a job has left l;
// the caller holds mu.
func (p *Pool) admitBlocked(l *lane) {
	for l.blocked.n > 0 && p.fits(l) {
		p.admitFirst(l)
	}
	p.starve(l)
	for p.starved.n > 0 && p.queued < p.cfg.queueTotal {
		s := p.starved.pop()
		s.starved = false
		if s.blocked.n > 0 && p.fits(s) {
			p.admitFirst(s)
			p.starve(s)
		}
	}
}

func (p *Pool) admitFirst(l *lane) {
	s := l.blocked.pop()
	s.in = true
	p.accept(l, s.it, s.priority)
	close(s.ready)
}

// refuseBlocked ends the wait of every submitter; the caller holds mu.
func (p *Pool) refuseBlocked(err error) {
	for _, l := range p.lanes {
		for l.blocked.n > 0 {
			s := l.blocked.pop()
			s.err = err
			close(s.ready)
		}
	}
}
