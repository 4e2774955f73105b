package pool

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/berth-go/berth/pool/internal/sched"
)

// A worker is a goroutine that asks the core what to do, and does it. Its states
// are drawn in package sched.
type worker struct {
	p    *Pool
	id   sched.WorkerID
	wake chan struct{} // of size 1; who carries out a Wake sends

	order   sched.Order[item] // that it is at
	began   time.Duration     // when it was given that
	report  sched.Report      // of it
	effects []effect          // of its last event; kept for the memory

	// batch is what it was handed and has not started, from next to end, both
	// in left: see pack. Whoever has moved an end owns the item that it passed.
	// Others do so with mu held, and so does the worker when it is handed jobs.
	batch []item
	left  atomic.Uint64

	hold *hold // the slot of the job that runs; changes with mu held

	bare      *bareCtx // the context of the job of Go that runs, if that has no task
	bareJob   Job
	bareState bareState // of contexts that nobody has looked at
	spares    []bareCtx // for the next jobs

	// current is the task that ran last, and still does if its state says so.
	current atomic.Pointer[Task]
	inJob   bool // code that is not the pool's runs
	// attempting says that the attempt of current has begun, and with it the
	// calls of hooks.
	attempting bool

	counts counts
}

// mostInBatch is how many jobs a worker is handed at a time at most.
const mostInBatch = 64

// startWorker starts the worker of a number; the caller holds mu.
func (p *Pool) startWorker(id sched.WorkerID) {
	for int(id) >= len(p.workers) {
		p.workers = append(p.workers, nil)
	}
	w := &worker{p: p, id: id, wake: make(chan struct{}, 1), batch: make([]item, 1)}
	w.bareState.w = w
	p.workers[id] = w
	p.alive++
	go w.loop()
}

// up wakes a worker that rests. A nil one is nobody.
func (w *worker) up() {
	if w != nil {
		w.wake <- struct{}{} // never blocks: its channel is empty while it rests
	}
}

// loop runs jobs until the pool needs the worker no more. A job or a hook that
// calls runtime.Goexit ends the goroutine but not the worker: another goroutine
// takes it over.
func (w *worker) loop() {
	ended := false
	defer func() {
		if ended {
			w.p.goroutineEnds()
			return
		}
		defer func() { go w.loop() }() // also if a hook ends this goroutine once more
		if w.inJob || w.attempting {
			w.jobDied(ErrGoexit)
		}
	}()
	for !ended {
		ended = w.serve()
	}
}

// serve carries out orders until the pool needs the worker no more, and returns
// true, or until a job panics. One frame recovers for all of them: a frame for
// each would be much of what a short job costs.
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
		switch w.order.Do {
		case sched.Run:
			w.runBatch()
		case sched.Ask:
			w.ask()
		case sched.Check:
			w.hold.check()
		case sched.Look:
			runtime.Gosched()
		case sched.Rest:
			<-w.wake
		case sched.End:
			return true
		}
		w.next()
	}
}

// next asks the core what to do.
func (w *worker) next() {
	if w.report.Jobs == len(w.batch) && len(w.batch) < mostInBatch {
		w.batch = make([]item, 2*len(w.batch))
	}
	w.bareJob = nil // nothing of it is kept
	spent := w.hold != nil && w.hold.isSpent(w.began)
	p := w.p
	p.lock()
	now := p.now()
	if spent {
		p.core.Lost(now, w.hold.claim) // nobody may have told it yet
	}
	if w.report.Jobs > 0 {
		w.report.Took = now - w.began
	}
	if w.unstarted() > 0 { // as the slot is lost
		left, ended := w.giveUpBatch()
		p.core.Recalled(w.id, left, ended)
	}
	o := p.core.Next(w.id, now, w.report, w.batch)
	for o.Do == sched.Again {
		p.handIn()
		o = p.core.Next(w.id, now, sched.Report{}, w.batch)
	}
	p.brought = false // as Next calls
	w.order, w.report, w.began = o, sched.Report{}, now
	switch o.Do {
	case sched.Run, sched.Check:
		w.left.Store(pack(0, uint32(o.Jobs)))
		w.takeSlot(o)
	case sched.End:
		w.hold = nil
		p.workers[w.id] = nil
		p.retired.add(&w.counts)
	case sched.Ask:
		w.hold = nil
		p.newHold(o.Claim)
	case sched.Rest:
		w.hold = nil
	}
	w.unlock()
}

// takeSlot takes note of the slot of an order; the caller holds mu.
func (w *worker) takeSlot(o sched.Order[item]) {
	if o.Claim == nil {
		return
	}
	h := holdOf(o.Claim)
	h.reused = o.Reused
	h.busy.Store(true)
	w.hold = h
	w.p.sweepLater()
}

// A span of the batch, from next to end, is one word.
func pack(next, end uint32) uint64          { return uint64(next)<<32 | uint64(end) }
func unpack(left uint64) (next, end uint32) { return uint32(left >> 32), uint32(left) }

// pop takes the next job of the batch, or returns false.
func (w *worker) pop() (it item, ok bool) {
	for {
		old := w.left.Load()
		next, end := unpack(old)
		if next == end {
			return item{}, false
		}
		if w.left.CompareAndSwap(old, pack(next+1, end)) {
			it, w.batch[next] = w.batch[next], item{}
			return it, true
		}
	}
}

// popHeld is pop after the first job.
func (w *worker) popHeld() (it item, ok bool) {
	if w.hold != nil && w.hold.over() {
		return item{}, false
	}
	return w.pop()
}

// giveUpBatch takes back what the worker has not started; the caller holds mu. Of
// those jobs some may have been ended by others.
func (w *worker) giveUpBatch() (left []item, ended int) {
	for it, ok := w.pop(); ok; it, ok = w.pop() {
		if it.task != nil && !it.task.isPending() {
			ended++
		} else {
			left = append(left, it)
		}
	}
	return left, ended
}

// unstarted returns how many jobs of the batch have not been started.
func (w *worker) unstarted() int64 {
	next, end := unpack(w.left.Load())
	return int64(end - next)
}

// runBatch runs what the worker was handed, unless its slot is lost meanwhile.
func (w *worker) runBatch() {
	for it, ok := w.pop(); ok; it, ok = w.popHeld() {
		w.report.Jobs++
		if it.task == nil {
			w.runBare(it.job)
		} else if it.task.take() { // else it was cancelled, or runs where somebody waits for it
			w.runTask(it.task)
		}
	}
}

func (w *worker) runTask(t *Task) {
	if w.hold != nil {
		t.useSlot(w.hold)
	}
	w.current.Store(t)
	w.attempting = true
	w.p.attempt(t, w.do, &w.counts)
	w.attempting = false
}

// runBare runs a job of Go that has no task. It gets one if somebody looks at its
// context, and if it fails.
func (w *worker) runBare(job Job) {
	ctx := w.newBareCtx()
	w.bare, w.bareJob = ctx, job
	err := w.do(job, ctx)
	w.bareEnded(err)
}

func (w *worker) bareEnded(err error) {
	ctx := w.bare
	if err == nil && ctx.end(w) {
		w.bare = nil
		if w.hold != nil {
			w.hold.note(nil)
		}
		w.counts.finished.Add(1)
		return
	}
	t := ctx.get()
	w.bare, w.bareJob = nil, nil
	w.p.settle(t, (*jobCtx)(t), err, &w.counts)
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
	if w.bare != nil {
		w.bareEnded(err)
	} else if t := w.current.Load(); t.isRunning() { // a hook may have ended it after its result
		w.p.settle(t, t.attemptContext(), err, &w.counts)
	}
}
