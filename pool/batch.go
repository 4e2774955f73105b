package pool

import "sync/atomic"

// largestBatch is how many jobs a worker takes at a time at most.
const largestBatch = 64

// A batch is what a worker without slots has taken under one lock and not
// started. A worker that has nothing can steal it, so that no job is stuck
// behind a slow one.
type batch struct {
	// jobs[next:end] is what is left of it; left is both ends, see pack.
	// Invariant: the worker itself takes at next, others take at end, and only
	// while they hold the pool's mu; so does the worker when it fills the batch.
	// Whoever has moved an end owns the item that it passed.
	jobs []item // largestBatch long once it was needed
	left atomic.Uint64
	// some is false if the batch is empty; its worker's own. Others, who may
	// have taken the last item, do not tell.
	some bool

	of   origin // of all its jobs; written by its worker, which holds the pool's mu
	from *lane  // that it was taken from; guarded by the pool's mu
	seen int64  // how many jobs its worker had finished at the last look; likewise
}

// takeBatch takes a job for w, and more of them to be run after it if only one
// lane has any. It is called with mu held, and unlocks it if it returns true.
func (p *Pool) takeBatch(w *worker) (item, bool) {
	p.noteIdle()
	p.settleBatches(w)
	if p.all.n == 0 {
		return p.steal(w)
	}
	it := p.takeFor(w, &p.all)
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
	b := &w.batch
	b.from, b.of = l, origin{l.key, lv.priority}
	if b.jobs == nil {
		b.jobs = make([]item, largestBatch)
	}
	l.popLevelInto(b.jobs[:k], lv)
	p.all.last = l
	p.left(l, k)
	b.left.Store(pack(0, uint32(k)))
	b.some = true
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
	if finished == other.batch.seen {
		p.unbatch(other)
	}
	other.batch.seen = finished
}

// unbatch puts back into its lane, before all others, what w has taken and not
// started; the caller holds mu.
func (p *Pool) unbatch(w *worker) {
	l := w.batch.from
	if l == nil {
		return
	}
	for it, ok := w.batch.rob(); ok; it, ok = w.batch.rob() {
		if it.task == nil || it.task.State() == StateQueued {
			p.putBack(l, w.batch.of.priority, it)
		}
	}
	w.batch.from = nil
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
		if it, ok := w.batch.rob(); ok {
			thief.from, thief.inBatch = w.batch.of, false
			p.calling = false
			p.callWorker() // there may be more to steal
			p.unlock()
			return it, true
		}
	}
	return item{}, false
}

// rob takes the last job of the batch; the caller holds the pool's mu.
func (b *batch) rob() (it item, ok bool) {
	for {
		old := b.left.Load()
		next, end := unpack(old)
		if next == end {
			return item{}, false
		}
		if b.left.CompareAndSwap(old, pack(next, end-1)) {
			it, b.jobs[end-1] = b.jobs[end-1], item{}
			return it, true
		}
	}
}

// pop takes the next job of the worker's batch, unless the queue has one that
// may go first.
func (w *worker) pop() (item, bool) {
	if !w.batch.some || w.p.attention.Load() {
		return item{}, false
	}
	w.inBatch = true
	return w.batch.pop()
}

func (b *batch) pop() (it item, ok bool) {
	for {
		old := b.left.Load()
		next, end := unpack(old)
		if next == end {
			b.some = false
			return item{}, false
		}
		if b.left.CompareAndSwap(old, pack(next+1, end)) {
			it, b.jobs[next] = b.jobs[next], item{}
			return it, true
		}
	}
}

// A span of the batch, from next to end, is one word.
func pack(next, end uint32) uint64          { return uint64(next)<<32 | uint64(end) }
func unpack(left uint64) (next, end uint32) { return uint32(left >> 32), uint32(left) }
