package sched

import "time"

// A Request is a job that wants to be queued.
type Request[J Job] struct {
	Job      J
	Key      string // of its lane
	Slot     string // what slots are claimed with, in a core with slots
	Limit    int    // how many of those there are in all; 0: not known
	Priority int
}

// WhenFull says what becomes of a request for which there is no room.
type WhenFull uint8

// What becomes of a request without room.
const (
	Refuse   WhenFull = iota // it is not taken
	Wait                     // its submitter waits, first come, first served
	Overfill                 // it is taken all the same
)

// A Verdict is what became of a request.
type Verdict uint8

// What became of a request.
const (
	Accepted Verdict = iota + 1
	Waits            // Admit will tell
	Full
	Closed
)

// A Submitter waits for room. Its job is moved into the lane on its behalf, so
// that nobody overtakes it.
type Submitter[J Job] struct {
	// Waiter is for whoever waits.
	Waiter any
	// Verdict is Waits until the submitter is told: Accepted or Closed then.
	Verdict Verdict

	request Request[J]
	lane    *lane[J]
}

// Inject queues jobs without a key and a priority, for which there is Room. What
// follows from that is done by the next event that calls workers, or by Call.
func (c *Core[J]) Inject(now time.Duration, jobs []J) {
	c.advance(now)
	c.accept(c.level(c.plainLane(), 0), jobs...)
}

// Call sends for a worker if there are jobs for one.
func (c *Core[J]) Call(now time.Duration) {
	c.advance(now)
	c.call()
	c.setAlarm()
}

// Ages reports whether the time at which a job is queued matters.
func (c *Core[J]) Ages() bool { return c.cfg.Aging > 0 }

// Submit queues a job. The Submitter is nil unless the verdict is Waits.
func (c *Core[J]) Submit(now time.Duration, r Request[J], full WhenFull) (Verdict, *Submitter[J]) {
	c.advance(now)
	if c.draining {
		return Closed, nil
	}
	l := c.lane(r)
	if full == Overfill || l.waiters.n == 0 && c.fits(l) {
		c.accept(c.level(l, r.Priority), r.Job)
		if c.cfg.Slots {
			c.lineUp()
		}
		c.call()
		c.setAlarm()
		return Accepted, nil
	}
	if full == Refuse {
		return Full, nil
	}
	s := &Submitter[J]{Verdict: Waits, request: r, lane: l}
	l.waiters.push(s)
	c.block(l)
	return Waits, s
}

// Withdraw ends a submitter's wait for room. It reports false where the
// submitter was told meanwhile.
func (c *Core[J]) Withdraw(now time.Duration, s *Submitter[J]) bool {
	c.advance(now)
	if s.Verdict != Waits {
		return false
	}
	l := s.lane
	l.waiters.keep(func(other *Submitter[J]) bool { return other != s })
	c.retireLane(l)
	return true
}

// Later accepts a job that is to be queued at a time. It counts against no
// bound until then, and is queued whatever the bounds are then.
func (c *Core[J]) Later(now, at time.Duration, r Request[J]) Verdict {
	c.advance(now)
	if c.draining {
		return Closed
	}
	c.counts.Submitted++
	c.delay(at, r)
	return Accepted
}

// Again is Later for a job that was accepted before, and whose attempt has not
// been reported yet.
func (c *Core[J]) Again(now, at time.Duration, r Request[J]) Verdict {
	c.advance(now)
	if c.draining {
		return Closed
	}
	c.delay(at, r)
	return Accepted
}

// Remove takes back a job that has a Node, which is that of the request. It
// reports false where the job is not the core's to give: it runs, or is in a
// batch, where whoever starts it has to find out.
func (c *Core[J]) Remove(now time.Duration, r Request[J]) bool {
	c.advance(now)
	switch n := r.Job.Node(); n.where() {
	case inLane:
		lv := c.level(c.lane(r), r.Priority)
		l := lv.lane
		c.leaveTombstone(lv, r.Job)
		c.admit(l)
	case delayed:
		c.undelay(n.index())
	default:
		return false
	}
	c.noteIdle()
	c.setAlarm()
	return true
}

// Take is Remove for a job that will be run elsewhere than by a worker, until
// Ended is told. The caller has made sure that nobody else starts it.
func (c *Core[J]) Take(now time.Duration, r Request[J]) {
	c.handed++
	c.Remove(now, r)
}

// Ended tells that a job has ended that was taken, or was to be finished.
func (c *Core[J]) Ended(now time.Duration) {
	c.advance(now)
	c.handed--
	c.counts.Reported++
	c.noteIdle()
}

// accept takes a job in.
func (c *Core[J]) accept(lv *level[J], jobs ...J) {
	c.counts.Submitted += int64(len(jobs))
	c.queue(lv, jobs...)
}

// queue puts jobs into a lane. What workers have taken beyond what they run
// comes back if one of these may go first.
func (c *Core[J]) queue(lv *level[J], jobs ...J) {
	c.push(lv, jobs...)
	if lv.lane.quota.out > 0 && c.overtakes(lv) {
		c.recall(lv.lane.quota)
	}
}

// fits reports whether a lane may take a job.
func (c *Core[J]) fits(l *lane[J]) bool {
	return l.n == 0 || l.n < c.cfg.Queue && c.queued < c.cfg.QueueTotal
}

// Room returns how many jobs without a key and a priority Inject can take now;
// none while such a job needs more than to be queued, such as a worker to be
// called, or a claim to be made.
func (c *Core[J]) Room() int {
	l := c.plainLane()
	if l == nil || c.draining || l.waiters.n > 0 || c.blocked.n > 0 { // others were here first
		return 0
	}
	if c.cfg.Slots && (l.n == 0 || l.quota.n <= l.quota.pending()) || !c.cfg.Slots && c.wouldCall() {
		return 0
	}
	if l.quota.out > 0 && c.overtakes(c.level(l, 0)) {
		return 0
	}
	return max(0, min(c.cfg.Queue-l.n, c.cfg.QueueTotal-c.queued))
}

// plainLane returns the lane of jobs without a key, or nil.
func (c *Core[J]) plainLane() *lane[J] {
	if c.cfg.Slots {
		return c.find("")
	}
	return c.plain
}

// admit moves the jobs of submitters that wait in after a job has left l.
func (c *Core[J]) admit(l *lane[J]) {
	if l.waiters.n == 0 && c.blocked.n == 0 {
		return
	}
	for l.waiters.n > 0 && c.fits(l) {
		c.admitFirst(l)
	}
	c.block(l)
	for c.blocked.n > 0 && c.queued < c.cfg.QueueTotal {
		s := c.blocked.pop()
		s.blocked = false
		if s.waiters.n > 0 && c.fits(s) {
			c.admitFirst(s)
		}
		c.block(s)
		c.retireLane(s)
	}
}

// refuse tells every submitter that waits for room in a lane that there will be
// none.
func (c *Core[J]) refuse(l *lane[J]) {
	for l.waiters.n > 0 {
		s := l.waiters.pop()
		s.Verdict = Closed
		c.effect(Effect[J]{Kind: Admit, Submitter: s})
	}
	c.retireLane(l)
}

func (c *Core[J]) admitFirst(l *lane[J]) {
	s := l.waiters.pop()
	s.Verdict = Accepted
	c.accept(c.level(l, s.request.Priority), s.request.Job)
	c.effect(Effect[J]{Kind: Admit, Submitter: s})
}

// block lists a lane that has room of its own but waits for room in all.
func (c *Core[J]) block(l *lane[J]) {
	if !l.blocked && l.waiters.n > 0 && l.n < c.cfg.Queue {
		l.blocked = true
		c.blocked.push(l)
	}
}
