package pool

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc/panics"
)

// largestBatch is how many jobs a worker takes at a time at most.
const largestBatch = 64

// A worker runs jobs, one at a time. In a pool without slots it takes several
// under one lock; what it has taken can be stolen by a worker that has nothing,
// so that no job is stuck behind a slow one.
type worker struct {
	p    *Pool
	wake chan struct{} // of size 1; who has taken the worker off the idle list may send

	// batch[next:end] has been taken and not started; left is both, see span.
	// Invariant: the worker itself takes at next, others take at end, and only
	// while they hold the pool's mu; so does the worker when it fills the batch.
	// Whoever has moved an end owns the item that it passed.
	batch []item // largestBatch long once it was needed
	left  atomic.Uint64
	// batched is false if the batch is empty; its own. Others, who may have
	// taken the last item, do not tell.
	batched bool

	from *lane // that the batch was taken from; guarded by the pool's mu
	seen int64 // how many jobs it had finished at the last look; likewise

	hold *hold // the slot that it has; its own
	ctx  workerCtx
	// current is the task that ran last, and still does if its state says so.
	current atomic.Pointer[Task]
	job     Job  // the job without a task that runs; its own
	inJob   bool // code that is not the pool's runs; its own

	counts counts
}

func newWorker(p *Pool) *worker {
	w := &worker{p: p, wake: make(chan struct{}, 1)}
	w.ctx = workerCtx{Context: p.base, w: w}
	return w
}

// callWorker sends for a worker that looks for jobs, unless one is on its way
// already: that one calls the next if there is more to do. It picks an idle one,
// which unlock wakes, or starts one if there are fewer than there may be. The
// caller holds mu.
func (p *Pool) callWorker() {
	if !p.mayCall() {
		return
	}
	p.calling = true
	if k := len(p.idle); k > 0 {
		p.picked = p.idle[k-1]
		p.idle[k-1] = nil
		p.idle = p.idle[:k-1]
		return
	}
	p.startWorker()
}

// mayCall reports whether callWorker would send for a worker.
func (p *Pool) mayCall() bool {
	return !p.calling && (len(p.idle) > 0 || len(p.workers) < p.target)
}

// startWorker starts one more worker; the caller holds mu.
func (p *Pool) startWorker() {
	w := newWorker(p)
	p.workers = append(p.workers, w)
	p.alive.Add(1)
	go w.loop()
}

// loop runs jobs until the pool needs the worker no more. A job that calls
// runtime.Goexit ends the goroutine but not the worker: another goroutine takes
// it over.
func (w *worker) loop() {
	ended := false
	defer func() {
		if ended {
			w.p.alive.Done()
			return
		}
		w.jobDied(ErrGoexit)
		go w.loop()
	}()
	for !ended {
		ended = w.serve()
	}
}

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
	w.inJob = false
	if job := w.job; job != nil {
		w.bareEnded(job, err)
	} else {
		t := w.current.Load()
		w.p.settle(t, t.attemptContext(), err, &w.counts)
	}
	w.p.tellWaiters()
}

// pop takes the next job of the worker's batch, unless the queue has one that
// may go first.
func (w *worker) pop() (item, bool) {
	if !w.batched || w.p.attention.Load() {
		return item{}, false
	}
	return w.popBatch()
}

func (w *worker) popBatch() (it item, ok bool) {
	for {
		old := w.left.Load()
		next, end := unpack(old)
		if next == end {
			w.batched = false
			return item{}, false
		}
		if w.left.CompareAndSwap(old, pack(next+1, end)) {
			it, w.batch[next] = w.batch[next], item{}
			return it, true
		}
	}
}

// A span of the batch, from next to end, is one word.
func pack(next, end uint32) uint64          { return uint64(next)<<32 | uint64(end) }
func unpack(left uint64) (next, end uint32) { return uint32(left >> 32), uint32(left) }

// next blocks until there is a job for w, and returns false when w must end.
func (p *Pool) next(w *worker) (item, bool) {
	if p.src != nil {
		return p.nextUnderSlot(w)
	}
	looked := false
	p.lock()
	for {
		if it, ok := p.takeBatch(w); ok {
			return it, true // takeBatch has unlocked
		}
		if p.mustEnd(w) {
			p.leave()
			return item{}, false
		}
		if !looked && !p.calling {
			looked = true
			p.yield()
			continue
		}
		p.rest(w)
		looked = false
	}
}

// yield lets others run before the worker looks once more: a submitter that has
// its next job ready then need not wake anybody. It counts as a worker on its
// way. It is called with mu held, and returns with mu held.
func (p *Pool) yield() {
	p.calling = true
	p.unlock()
	runtime.Gosched()
	p.lock()
	p.calling = false
}

// leave is called with mu held by a worker that ends, and unlocks it: if it has
// left jobs behind, another one must come.
func (p *Pool) leave() {
	if p.queued > 0 || p.grants.n > 0 {
		p.callWorker()
	}
	p.unlock()
}

// takeBatch takes a job for w, and more of them to be run after it if only one
// lane has any. It is called with mu held, and unlocks it if it returns true.
func (p *Pool) takeBatch(w *worker) (item, bool) {
	p.noteIdle()
	p.settleBatches(w)
	if p.all.n == 0 {
		return p.steal(w)
	}
	it := p.takeFrom(&p.all)
	if l := p.all.head; l != nil && l.next == l {
		p.fillBatch(w, l)
	}
	p.calling = false
	if p.all.n > 0 {
		p.callWorker()
	}
	p.unlock()
	return it, true
}

// settleBatches puts back what workers have taken and must not keep; the caller
// holds mu. Everything goes back when something was queued that may go first.
// Otherwise it is what w itself has left, and what another worker cannot start
// because of a slow job: one is looked at each time, in turn.
func (p *Pool) settleBatches(w *worker) {
	if p.attention.Load() {
		p.attention.Store(false)
		for _, other := range p.workers {
			p.unbatch(other)
		}
		return
	}
	p.unbatch(w)
	if p.batches == 0 {
		return
	}
	p.look++
	other := p.workers[p.look%len(p.workers)]
	finished := other.counts.finished()
	if finished == other.seen {
		p.unbatch(other)
	}
	other.seen = finished
}

// fillBatch moves jobs of one priority from the only lane that has any to w:
// few enough that the other workers have as many.
func (p *Pool) fillBatch(w *worker, l *lane) {
	k := min(p.all.n/(2*p.target), largestBatch)
	lv := l.mostUrgent()
	k = min(k, lv.jobs.n-lv.dead)
	if k == 0 {
		return
	}
	l.batches++ // before the last job can leave the lane
	l.batchPriority = lv.priority
	p.batches++
	w.from = l
	if w.batch == nil {
		w.batch = make([]item, largestBatch)
	}
	for i := range k {
		w.batch[i] = l.popLevel(lv)
	}
	p.all.last = l
	p.left(l, k)
	w.left.Store(pack(0, uint32(k)))
	w.batched = true
}

// unbatch puts back into its lane, before all others, what w has taken and not
// started; the caller holds mu.
func (p *Pool) unbatch(w *worker) {
	l := w.from
	if l == nil {
		return
	}
	for it, ok := w.rob(); ok; it, ok = w.rob() {
		if it.task == nil || it.task.State() == StateQueued {
			p.putBack(l, it)
		}
	}
	w.from = nil
	p.batches--
	l.batches--
	p.retireLane(l)
}

// steal takes a job out of another worker's batch. It is called with mu held,
// and unlocks it if it returns true.
func (p *Pool) steal(thief *worker) (item, bool) {
	if p.batches == 0 {
		return item{}, false
	}
	for _, w := range p.workers {
		if w == thief {
			continue
		}
		if it, ok := w.rob(); ok {
			p.calling = false
			p.callWorker() // there may be more to steal
			p.unlock()
			return it, true
		}
	}
	return item{}, false
}

// rob takes the last job of the batch; the caller holds the pool's mu.
func (w *worker) rob() (it item, ok bool) {
	for {
		old := w.left.Load()
		next, end := unpack(old)
		if next == end {
			return item{}, false
		}
		if w.left.CompareAndSwap(old, pack(next, end-1)) {
			it, w.batch[end-1] = w.batch[end-1], item{}
			return it, true
		}
	}
}

// rest puts w among the idle and waits until it is called. It is called with mu
// held, and returns with mu held.
func (p *Pool) rest(w *worker) {
	p.calling = false
	p.idle = append(p.idle, w)
	p.unlock()
	<-w.wake
	p.lock()
}

// mustEnd reports whether w has to end, and takes it off the list of workers if
// so; the caller holds mu.
func (p *Pool) mustEnd(w *worker) bool {
	surplus := len(p.workers) > p.target
	finished := p.closing && p.queued == 0 && p.grants.n == 0
	if !surplus && !finished {
		return false
	}
	p.unbatch(w)
	p.calling = false
	for i, other := range p.workers {
		if other == w {
			last := len(p.workers) - 1
			p.workers[i] = p.workers[last]
			p.workers[last] = nil
			p.workers = p.workers[:last]
			break
		}
	}
	p.retired.add(&w.counts)
	p.noteIdle()
	if finished {
		p.dismissIdle()
	}
	if p.closing && len(p.workers) == 0 {
		p.lastWorkerEnded()
	}
	return true
}

// dismissIdle wakes every idle worker, so that it can end; the caller holds mu.
func (p *Pool) dismissIdle() {
	for i, w := range p.idle {
		w.wake <- struct{}{} // never blocks: an idle worker's channel is empty
		p.idle[i] = nil
	}
	p.idle = p.idle[:0]
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
		t.hold.Store(w.hold)
		if t.more != nil {
			t.more.nested = false
		}
	}
	w.current.Store(t)
	w.p.attempt(t, w.do, &w.counts)
	w.p.tellWaiters()
}

// runBare runs a job without a task.
func (w *worker) runBare(job Job) {
	w.job = job
	w.bareEnded(job, w.do(w.p.wrap(job), w.bareContext()))
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

func (w *worker) bareContext() context.Context {
	if w.hold == nil {
		return &w.ctx
	}
	return w.hold.workerContext(w)
}

// bareFailed deals with the error of a job without a task. It returns false if
// the job has a task from now on, which counts for it.
func (p *Pool) bareFailed(w *worker, job Job, err error) bool {
	if _, _, again := AsRetry(err); again {
		// It needs a task from now on, to be counted and to wait.
		t := &Task{pool: p, job: job, parent: p.base, quiet: true}
		t.hold.Store(w.hold)
		t.extra().firstStart = time.Now()
		t.more.attempt = 1
		t.take()
		p.settle(t, &w.ctx, err, &w.counts)
		return false
	}
	p.countFailure(err, &w.counts)
	p.report(joinCause(err, w.bareContext()))
	return true
}
