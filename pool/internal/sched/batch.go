package sched

import (
	"slices"
	"sort"
	"time"
)

// A batch is what a worker was handed at a time, if that was more than one job.
// The worker takes jobs out of it without asking. The core has what is left
// handed back when other jobs may go before it, when other workers have nothing
// else to do, and when its worker has not come for a tick.
type batch[J Job] struct {
	level *level[J]     // that it was taken from; nil: there is no batch
	first int64         // the number of its first job
	since time.Duration // when that was queued
}

// lendBatch takes note of the batch that a worker was handed.
func (c *Core[J]) lendBatch(w WorkerID, b batch[J]) {
	c.workers[w].batch = b
	b.level.out++
	q := b.level.lane.quota
	if q.out == 0 || b.level.priority < q.leastOut {
		q.leastOut = b.level.priority
	}
	q.out++
	q.outLane = b.level.lane
	c.batches = append(c.batches, w)
	c.counts.Batches++
	c.startTick()
}

// dropBatch takes note that a worker has no batch any more.
func (c *Core[J]) dropBatch(w WorkerID) {
	lv := c.workers[w].batch.level
	if lv == nil {
		return
	}
	c.workers[w].batch = batch[J]{}
	lv.out--
	lv.lane.quota.out--
	i := slices.Index(c.batches, w)
	last := len(c.batches) - 1
	c.batches[i] = c.batches[last]
	c.batches = c.batches[:last]
	c.retireLevel(lv)
}

// overtakes reports whether a job of a level may go before what workers have
// taken: the batches of a quota are of one lane, the only one that had jobs.
func (c *Core[J]) overtakes(lv *level[J]) bool {
	q := lv.lane.quota
	return q.out > 0 && (lv.lane != q.outLane || lv.priority > q.leastOut)
}

// recall has every batch of a quota handed back.
func (c *Core[J]) recall(q *quota[J]) {
	for _, w := range c.batches {
		if c.workers[w].batch.level.lane.quota == q {
			c.recalls = append(c.recalls, w)
		}
	}
}

// Recalled takes back what is left of a worker's batch. Of the jobs that were
// left some may have been ended by others, which only their number is told of.
func (c *Core[J]) Recalled(w WorkerID, left []J, ended int) {
	b := c.workers[w].batch
	if b.level == nil {
		return
	}
	c.handed -= len(left) + ended
	if c.cfg.Slots {
		c.counts.Reused -= int64(len(left) + ended)
	}
	if len(left) > 0 {
		c.counts.Recalled++
		b.level.putBack(run[J]{first: b.first, since: b.since, jobs: slices.Clone(left)})
		c.count(b.level, len(left))
	}
	c.dropBatch(w)
}

// putBack puts a run where it was.
func (lv *level[J]) putBack(r run[J]) {
	for _, job := range r.jobs {
		move(job, inLane)
	}
	i := sort.Search(len(lv.back), func(i int) bool { return lv.back[i].first > r.first })
	lv.back = slices.Insert(lv.back, i, r)
}

// tick is for how long a batch waits for its worker, and how often it is looked
// whether the workers that are active are enough.
const tick = time.Millisecond

func (c *Core[J]) startTick() {
	if c.tickAt == Never {
		c.tickAt = c.now + tick
		c.ticks++
	}
}

// endTick looks which workers have not come since the tick began. They are in a
// long job, so they do not count among those that are enough for short ones,
// and their batches are taken back. As many as have got stuck at once may be
// called besides, twice over: if all jobs wait for each other, all workers run
// before long.
func (c *Core[J]) endTick() {
	stuck := 0
	for w := c.oldest; w != none && c.workers[w].tick != c.ticks; w = c.oldest {
		c.unlist(w)
		c.workers[w].stuck = true
		stuck++
		if c.workers[w].batch.level != nil {
			c.recalls = append(c.recalls, w)
		}
	}
	c.stuck += stuck
	c.burst = 2 * stuck
	c.tickAt = Never
	if len(c.batches) > 0 || !c.cfg.Slots && c.queued > 0 && c.mayCall() {
		c.startTick()
	} else {
		c.burst = 0
	}
}
