package pool

import (
	"sync/atomic"
	"time"
)

// counts are what becomes of jobs. Each worker has its own, so that they do not
// fight over one.
type counts struct {
	finished, failed, panicked, lost, lostButOK, canceled, retries, notYet atomic.Int64
}

func (c *counts) add(o *counts) {
	c.finished.Add(o.finished.Load())
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
	// Size is how many workers there may be, as New or Resize was told last. Workers
	// is how many goroutines run or wait for jobs, Idle how many of them have nothing
	// to do.
	Size, Workers, Idle int
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
	// pool has, Serving how many of them workers have; the others wait for one.
	InLine, Held, Serving int
	// HeldTime is the time for which the pool has had slots, all of them added up,
	// and IdleTime that part of it in which no job ran under them.
	HeldTime, IdleTime time.Duration
	// Claims is how many times a slot was asked for, Reused how many jobs ran
	// under a slot that had served another before, Unneeded how many grants
	// went back without having served a job, FailedClaims how many claims ended
	// with an error, LostSlots how many slots were lost.
	Claims, Reused, Unneeded, FailedClaims, LostSlots int64
	// LateSlots is how many of Unneeded came too late for a job to start under them:
	// they had waited for a worker until after slot.Info.StartBy.
	LateSlots int64
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
	queued := int64(p.core.Queued())
	for _, w := range p.workers {
		if w != nil {
			c.add(&w.counts)
			queued += w.unstarted() // after the counts, or a job could be counted twice
		}
	}
	core := p.core.Counts(p.now())
	s := Stats{
		Size: p.core.Size(), Workers: p.core.Workers(), Idle: p.core.Idle(), Lanes: p.core.Lanes(),
		Submitted: core.Submitted, Waiting: int64(p.core.Delayed()), Finished: c.finished.Load(),
		Failed: c.failed.Load(), Panicked: c.panicked.Load(), Lost: c.lost.Load(), Canceled: c.canceled.Load(),
		LostButOK: c.lostButOK.Load(), Retries: c.retries.Load(), NotYet: c.notYet.Load(),
		InLine: p.core.InLine(), Held: p.core.Held(), Serving: p.core.Serving(), HeldTime: core.Held, IdleTime: core.Idle,
		Claims: core.Claims, Reused: core.Reused, Unneeded: core.Unused, LateSlots: core.Late, FailedClaims: p.failedClaims, RefusedClaims: p.refusedClaims,
		LostSlots: p.lost.Load(), Overruns: p.overruns.Load(), HookPanics: p.hookPanics.Load(),
	}
	s.FailingKeys, s.Stalled = p.core.Failing()
	// One that was cancelled in a batch is there until its turn comes.
	s.Queued = min(queued, s.Submitted-s.Waiting-s.Finished)
	s.Running = s.Submitted - s.Queued - s.Waiting - s.Finished
	return s
}
