package sched

import "time"

// A Claim is one claim of a slot, from the moment that somebody is told to ask
// for it until the slot is given back.
//
//	 Next        Join                      Granted           Next
//	──────▶ asking │                 ╭──────────────▶ granted ────▶ serving ⟲ checked, reused
//	          │ │  ╰──▶ waiting ─────╯                  │ Lost,        │
//	          │ ╰─ Waiting ─▲ │ Refused                 │ no job       │ Next
//	          │ Busy, Refused ▼                         ▼              ▼
//	          ╰────────────▶ over ◀──────────────────── Release ◀──────╯
//
// A claim that is asking can be granted at once. No job is bound to a claim
// before it is granted: then it is the most urgent one.
type Claim[J Job] struct {
	// Owner is for whoever asks for the slot.
	Owner any

	quota   *quota[J]
	state   claimState
	at      int           // its place in the quota's line
	begun   time.Duration // when
	granted time.Duration // when
	startBy time.Duration // it must not begin to serve later; 0: it may
	before  Cause         // what its key waited for longest before it began
	after   Cause         // what the job that it serves waited for when the slot was there
	single  bool          // it serves one job only
	served  bool          // it has served a job
	checked bool          // Lost is told of it from now on
	lost    bool          // it must not serve another job
	leaving bool          // it is to leave the line
	mayWait bool          // it is asking, and may have a place in line for an answer
}

// FailingSince returns since when claims for the same slots are refused.
func (cl *Claim[J]) FailingSince() time.Duration { return cl.quota.failed }

// Slot returns what is claimed.
func (cl *Claim[J]) Slot() string { return cl.quota.name }

type claimState uint8

const (
	over    claimState = iota // or not begun
	asking                    // a worker asks for it
	waiting                   // in line, or on its way there
	granted                   // the slot is there, and waits for a worker
	serving                   // a worker runs jobs under it
	claimStates
)

// String returns the word for it.
func (s claimState) String() string {
	switch s {
	case over:
		return "over"
	case asking:
		return "asking"
	case waiting:
		return "waiting"
	case granted:
		return "granted"
	case serving:
		return "serving"
	}
	panic("bug: a claim is in no known state")
}

// turn changes the state of a claim. It is the only place that does.
func (c *Core[J]) turn(cl *Claim[J], s claimState) {
	c.account()
	q := cl.quota
	if cl.state == waiting {
		last := len(q.line) - 1
		q.line[cl.at] = q.line[last]
		q.line[cl.at].at = cl.at
		q.line[last] = nil
		q.line = q.line[:last]
	}
	if cl.state <= asking && s != over && s != asking {
		c.endWait(cl)
	}
	if cl.mayWait {
		cl.mayWait = false
		c.mayWait--
	}
	q.claims[cl.state]--
	c.claims[cl.state]--
	cl.state = s
	q.claims[s]++
	c.claims[s]++
	if s == waiting {
		cl.at = len(q.line)
		q.line = append(q.line, cl)
	}
}

// begin begins a claim.
func (c *Core[J]) begin(q *quota[J], s claimState) *Claim[J] {
	cl := &Claim[J]{quota: q}
	c.counts.Claims++
	c.beginWait(cl)
	c.turn(cl, s)
	c.review(q)
	return cl
}

// Waiting tells that a claim that a worker asked for has a place in line.
func (c *Core[J]) Waiting(now time.Duration, cl *Claim[J]) {
	c.advance(now)
	q := cl.quota
	c.turn(cl, waiting)
	q.failed, q.asks = Never, 1
	c.unneeded(q)
	c.settle(q)
}

// Granted tells that a claim has its slot. With single it serves one job.
func (c *Core[J]) Granted(now time.Duration, cl *Claim[J], single bool) {
	c.advance(now)
	q := cl.quota
	cl.granted, cl.single = c.now, single
	if q.failed = Never; cl.state == asking {
		q.mayBeFree() // as this one was
		q.asks = min(mostAsks, 2*max(1, q.asks))
	}
	c.turn(cl, granted)
	if cl.lost {
		c.release(cl)
	} else {
		c.grants.push(cl)
	}
	if c.draining && c.queued == 0 {
		c.releaseGrants()
	}
	c.settle(q)
}

// StartBy tells until when a claim may begin to serve. It is called before Granted.
func (cl *Claim[J]) StartBy(at time.Duration) { cl.startBy = at }

// late reports whether a claim that has not served must not begin to.
func (c *Core[J]) late(cl *Claim[J]) bool { return cl.startBy > 0 && c.now > cl.startBy }

// Busy tells that a worker that asked for a free slot has found none.
func (c *Core[J]) Busy(now time.Duration, cl *Claim[J]) {
	c.advance(now)
	q := cl.quota
	q.failed, q.asks = Never, 1
	q.pause = min(max(firstPause, q.length/4, 2*q.pause), longestPause)
	q.askAt = c.now + q.pause
	c.turn(cl, over)
	c.settle(q)
}

// Refused tells that a claim has ended without a slot. If trying again cannot
// help, the queued jobs that need one end.
func (c *Core[J]) Refused(now time.Duration, cl *Claim[J], final bool) {
	c.advance(now)
	q := cl.quota
	c.turn(cl, over)
	if !cl.leaving {
		c.refused(cl, final)
	}
	c.settle(q)
}

func (c *Core[J]) refused(cl *Claim[J], final bool) {
	q := cl.quota
	c.counts.Refused++
	if q.failed == Never {
		q.failed = c.now
	}
	q.denied, q.asks = c.now, 1
	if final || c.cfg.FailAfter > 0 && c.now-q.failed >= c.cfg.FailAfter {
		c.empty(q, NoSlot, cl)
	}
}

// empty ends the queued jobs of a quota.
func (c *Core[J]) empty(q *quota[J], why Reason, cl *Claim[J]) {
	var one [1]J
	for q.n > 0 {
		l := q.turn()
		lv := c.mostUrgent(l)
		c.take(lv, one[:])
		c.admit(l)
		c.retireLevel(lv)
		c.finish(one[0], why, cl)
	}
}

// Lost tells that a slot is lost, which may serve no other job.
func (c *Core[J]) Lost(now time.Duration, cl *Claim[J]) {
	c.advance(now)
	cl.lost = true // its worker gives it back when it comes
	for _, w := range c.batches {
		if c.workers[w].claim == cl {
			c.recalls = append(c.recalls, w)
		}
	}
	if cl.state == granted {
		c.grants.keep(func(other *Claim[J]) bool { return other != cl })
		c.release(cl)
		c.settle(cl.quota)
	}
}

// release has the slot of a claim given back.
func (c *Core[J]) release(cl *Claim[J]) {
	if !cl.served {
		c.counts.Unused++
		if cl.quota.n > 0 && c.late(cl) {
			c.counts.Late++
		}
	}
	cl.quota.mayBeFree()
	c.turn(cl, over)
	c.effect(Effect[J]{Kind: Release, Claim: cl})
	c.review(cl.quota)
	c.retireQuota(cl.quota)
}

// releaseGrants gives back what no job needs.
func (c *Core[J]) releaseGrants() {
	for c.grants.n > 0 {
		c.release(c.grants.pop())
	}
}

// settle ends an event of a quota.
func (c *Core[J]) settle(q *quota[J]) {
	c.review(q)
	c.lineUp()
	c.call()
	c.noteIdle()
	c.setAlarm()
	c.retireQuota(q)
}

// linger is how long a quota without a job keeps its places in line.
type linger[J Job] struct {
	until time.Duration
	quota *quota[J]
}

// unneeded has the places in line of a quota given up that has no job, unless
// one comes before long.
func (c *Core[J]) unneeded(q *quota[J]) {
	switch {
	case q.n > 0 || len(q.line) == 0:
	case c.draining:
		c.leave(q)
	case !q.lingers:
		q.lingers = true
		c.lingering.push(linger[J]{After(c.now, c.cfg.Linger), q})
	}
}

// leaveLines gives up the places of quotas that have had no job for long.
func (c *Core[J]) leaveLines() {
	for c.lingering.n > 0 && c.lingering.first().until <= c.now {
		q := c.lingering.pop().quota
		q.lingers = false
		if q.n == 0 {
			c.leave(q)
		}
		c.retireQuota(q)
	}
}

func (c *Core[J]) leave(q *quota[J]) {
	for _, cl := range q.line {
		if !cl.leaving {
			cl.leaving = true
			c.effect(Effect[J]{Kind: Leave, Claim: cl})
		}
	}
}
