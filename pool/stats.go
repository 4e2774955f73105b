package pool

import "sync/atomic"

// counts are what becomes of jobs. Each worker has its own, so that they do not
// fight over one.
type counts struct {
	// ended has how many jobs have finished, times finishedOne, plus how many
	// tasks among them have yet to be told their result, of those that no worker
	// ran.
	ended                                                        atomic.Int64
	failed, panicked, lost, lostButOK, canceled, retries, notYet atomic.Int64
}

const (
	finishedOne = 1 << 16 // more goroutines do not give results at the same moment
	completing  = 1
)

// finish counts a job that nobody has to be told of.
func (c *counts) finish() { c.ended.Add(finishedOne) }

func (c *counts) finished() int64 { return c.ended.Load() / finishedOne }

// settled returns how many jobs have their result.
func (c *counts) settled() int64 {
	ended := c.ended.Load()
	return ended/finishedOne - ended%finishedOne
}

func (c *counts) add(o *counts) {
	c.ended.Add(o.finished() * finishedOne)
	c.failed.Add(o.failed.Load())
	c.panicked.Add(o.panicked.Load())
	c.lost.Add(o.lost.Load())
	c.lostButOK.Add(o.lostButOK.Load())
	c.canceled.Add(o.canceled.Load())
	c.retries.Add(o.retries.Load())
	c.notYet.Add(o.notYet.Load())
}

// Stats is a snapshot of a pool.
type Stats struct {
	// Workers is how many goroutines run or wait for jobs, Idle how many of
	// them have nothing to do.
	Workers, Idle int
	// Lanes is how many lanes have jobs or submitters that wait for room.
	Lanes int

	// Submitted is how many jobs were accepted. Each of them is Queued, Waiting
	// (for its After or the end of its backoff), Running or Finished.
	Submitted, Queued, Waiting, Running, Finished int64

	// Failed is how many of the finished have an error as their result. Among
	// them are Panicked, Lost (the error matches slot.ErrLost) and Canceled
	// (it matches context.Canceled and neither of the others).
	Failed, Panicked, Lost, Canceled int64
	// LostButOK is how many succeeded although their slot was lost.
	LostButOK int64
	// Retries is how many attempts ended with RetryAfter and a backoff.
	Retries int64
	// NotYet is how many times a job was put off by [NotYet], without an attempt.
	NotYet int64

	// InLine is how many claims wait for a slot now, Held how many slots the
	// pool has.
	InLine, Held int
	// Claims is how many times a slot was asked for, Reused how many jobs ran
	// under a slot that had served another before, Unneeded how many grants
	// went back because no worker was free in time, FailedClaims how many
	// claims ended with an error, LostSlots how many slots were lost.
	Claims, Reused, Unneeded, FailedClaims, LostSlots int64
	// RefusedClaims is how many of FailedClaims were refused for good (see
	// slot.IsPermanent), which ended the jobs that waited for them.
	RefusedClaims int64
	// FailingKeys is for how many slot keys no claim has succeeded since the
	// last one failed, Stalled how many queued jobs wait for slots of these. The
	// pool goes on trying.
	FailingKeys, Stalled int
	// Overruns is how many jobs ignored the end of their context for the grace.
	Overruns int64
	// HookPanics is how many calls of hooks, of the error handler and of
	// [slot.Abandoner] panicked.
	HookPanics int64
}

// Stats returns a consistent snapshot: Submitted is the sum of Queued, Waiting,
// Running and Finished.
func (p *Pool) Stats() Stats {
	p.lock()
	defer p.unlock()
	var c counts
	c.add(&p.retired)
	c.add(&p.others)
	queued := int64(p.queued)
	for _, w := range p.workers {
		c.add(&w.counts)
		queued += w.unstarted()
	}
	s := Stats{
		Workers: len(p.workers), Idle: len(p.idle), Lanes: p.busyLanes(),
		Submitted: p.submitted, Queued: queued, Waiting: int64(p.waiting), Finished: c.finished(),
		Failed: c.failed.Load(), Panicked: c.panicked.Load(), Lost: c.lost.Load(), Canceled: c.canceled.Load(),
		LostButOK: c.lostButOK.Load(), Retries: c.retries.Load(), NotYet: c.notYet.Load(),
		InLine: p.inLine, Held: p.held,
		Claims: p.claims, Reused: p.reused, Unneeded: p.unneeded, FailedClaims: p.failedClaims,
		RefusedClaims: p.refusedClaims, FailingKeys: p.failing, Stalled: p.stalled(),
		LostSlots: p.lost.Load(), Overruns: p.overruns.Load(), HookPanics: p.hookPanics.Load(),
	}
	s.Running = s.Submitted - s.Queued - s.Waiting - s.Finished
	return s
}

// busyLanes leaves out the lane of jobs without a key when it is empty, which
// is kept.
func (p *Pool) busyLanes() int {
	n := len(p.lanes)
	if l := p.lanes[""]; l != nil && l.n == 0 && l.blocked.n == 0 {
		n--
	}
	return n
}

// unstarted returns how many jobs of the batch have not been started.
func (w *worker) unstarted() int64 {
	next, end := unpack(w.batch.left.Load())
	return int64(end - next)
}
