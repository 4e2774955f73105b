package pool

import (
	"context"

	"github.com/sourcegraph/conc/panics"
)

// serve runs jobs until the pool needs the worker no more, and returns true, or
// until one panics. One frame recovers for all of them: a frame for each would
// be much of what a short job costs.
func (w *worker) serve() (ended bool) {
	defer func() {
		if !w.inJob {
			return // a panic is the pool's own, and a bug
		}
		if r := recover(); r != nil {
			recovered := panics.NewRecovered(1, r)
			w.jobDied(newPanicError(&recovered))
		}
	}()
	for {
		it, ok := w.pop()
		if !ok {
			it, ok = w.p.next(w)
		}
		if !ok {
			return true
		}
		w.run(it)
	}
}

// do calls a job, or the middleware around it.
func (w *worker) do(job Job, ctx context.Context) error {
	w.inJob = true
	err := job(ctx)
	w.inJob = false
	return err
}

// jobDied gives its result to a job that did not return.
func (w *worker) jobDied(err error) {
	w.inJob, w.attempting = false, false
	if job := w.job; job != nil {
		w.bareEnded(job, err)
	} else if t := w.current.Load(); t.State() == StateRunning { // a hook may have ended it after its result
		w.p.settle(t, t.attemptContext(), err, &w.counts)
	}
	w.p.tellWaiters()
}

// run runs a job that was taken from a lane.
func (w *worker) run(it item) {
	if it.task == nil {
		w.runBare(it.job)
		return
	}
	t := it.task
	if !t.take() {
		return // cancelled, or run by somebody who waits for it
	}
	if w.hold != nil {
		t.ensureSetting().hold.Store(w.hold)
		if m := t.more(); m != nil {
			m.nested = false
		}
	}
	w.current.Store(t)
	if w.p.lean && t.setting.Load() == nil {
		w.runLean(t)
	} else {
		w.attempting = true
		w.p.attempt(t, w.do, &w.counts)
		w.attempting = false
	}
	w.p.tellWaiters()
}

// runLean is [Pool.attempt] for a task without a setting, in a pool that does
// nothing but run it.
func (w *worker) runLean(t *Task) {
	if err := w.do(t.job, (*jobCtx)(t)); err != nil {
		w.p.settle(t, (*jobCtx)(t), err, &w.counts)
		return
	}
	w.counts.finish()
	t.complete(nil)
}

// runBare runs a job without a task.
func (w *worker) runBare(job Job) {
	w.job = job
	w.bareEnded(job, w.do(job, w.bareContext()))
	w.p.tellWaiters()
}

func (w *worker) bareEnded(job Job, err error) {
	w.job = nil
	if w.hold != nil {
		w.hold.note(err)
	}
	if err == nil || w.p.bareFailed(w, job, err) {
		w.counts.finish()
	}
}

// giveTask gives a task to a job that has run without one and asks to run again:
// now it has to be counted and to wait, and to go back to the lane that it came
// from.
func (w *worker) giveTask(job Job) *Task {
	from := w.origin()
	t := w.p.makeTask(w.p.base, from.key)
	t.pool, t.job, t.quiet = w.p, job, true
	t.ensureSetting().hold.Store(w.hold)
	m := t.extra()
	m.priority = from.priority
	m.attempt, m.runs = 1, 1
	t.take()
	return t
}

func (w *worker) bareContext() context.Context {
	if w.hold == nil {
		return &w.ctx
	}
	return (*holdCtx)(w.hold)
}

// bareFailed deals with the error of a job without a task. It returns false if
// the job has a task from now on, which counts for it.
func (p *Pool) bareFailed(w *worker, job Job, err error) bool {
	if _, _, again := AsRetry(err); again {
		p.settle(w.giveTask(job), w.bareContext(), err, &w.counts)
		return false
	}
	p.countFailure(err, &w.counts)
	p.report(joinCause(err, w.bareContext()))
	return true
}
