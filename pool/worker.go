package pool

import (
	"runtime"
	"sync/atomic"
)

// A worker runs jobs, one at a time.
type worker struct {
	p    *Pool
	wake chan struct{} // of size 1; who has taken the worker off the idle list may send

	batch batch // what it has taken beyond the job that it runs

	hold *hold // the slot that it has; its own
	ctx  workerCtx
	// current is the task that ran last, and still does if its state says so.
	current atomic.Pointer[Task]
	job     Job    // the job without a task that runs; its own
	from    origin // of that job, unless inBatch is set; its own
	inBatch bool   // that job was in its batch; its own
	inJob   bool   // code that is not the pool's runs; its own
	// attempting says that the attempt of current has begun, and with it the
	// calls of hooks; its own.
	attempting bool

	counts counts
}

// An origin is what a job without a task was handed to Go with. It is noted by
// whoever takes the job out of its lane, which is all that knows it.
type origin struct {
	key      string
	priority int
}

// origin returns that of the job without a task that runs.
func (w *worker) origin() origin {
	if w.inBatch {
		return w.batch.of
	}
	return w.from
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

// loop runs jobs until the pool needs the worker no more. A job or a hook that
// calls runtime.Goexit ends the goroutine but not the worker: another goroutine
// takes it over.
func (w *worker) loop() {
	ended := false
	defer func() {
		if ended {
			w.p.alive.Done()
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

// next blocks until there is a job for w, and returns false when w must end.
func (p *Pool) next(w *worker) (item, bool) {
	if p.src != nil {
		return p.nextUnderSlot(w)
	}
	looked := false
	p.lockAside()
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

// rest puts w among the idle and waits until it is called. It is called with mu
// held, and returns with mu held.
func (p *Pool) rest(w *worker) {
	p.calling = false
	p.idle = append(p.idle, w)
	p.unlock()
	<-w.wake
	p.lock()
}

// leave is called with mu held by a worker that ends, and unlocks it: if it has
// left jobs behind, another one must come.
func (p *Pool) leave() {
	if p.queued > 0 || p.grants.n > 0 {
		p.callWorker()
	}
	p.unlock()
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
