package sched

import "time"

// This file decides for which quota a slot is claimed next, and how.
//
// A free worker asks for free slots first, of the quotas in turn. It lines up
// only where there is nothing to ask for: for the quota that has the fewest
// claims in line and, among those, whose jobs have waited longest. Besides, a
// few places that no worker waits for are kept for such quotas while all workers
// have other work: a slot that others always want would never be had otherwise.
// A place is kept as long as its quota has a job.

// want is what may be done for a quota.
//
//	         a job more than claims           none was free, or one is in line
//	idle ──────────────────────▶ askable ──────────────────────────▶ crowded
//	  ▲                           │   ▲                                │
//	  ╰── a claim for each job ───╯   ╰─ the pause is over, a slot of ─╯
//	                                     its own was given back
//
// One whose claims are refused is paused instead, and nothing is done for it.
type want uint8

const (
	idle    want = iota
	askable      // a worker may ask for a slot
	crowded      // there was none, or a claim is in line: it may line up
	paused       // its claims are refused
	wantKinds
)

const (
	// firstPause is for how long a quota is not asked for a slot after there was
	// none; it doubles each time, up to longestPause.
	firstPause   = 5 * time.Millisecond
	longestPause = 320 * time.Millisecond
	// refusedPause is for how long a quota is left alone whose claim was refused:
	// it is tried five times a second at most.
	refusedPause = 200 * time.Millisecond
	// caution is for how long after that one claim at a time is made, whatever
	// the others have met meanwhile: an engine that answers now and then is not
	// tried more often than one that never does.
	caution = time.Second
)

// pending returns how many claims of a quota have yet to serve a job.
func (q *quota[J]) pending() int {
	return q.claims[asking] + q.claims[waiting] + q.claims[granted]
}

// mayBeFree takes note that a slot of the quota is free, or was just now.
func (q *quota[J]) mayBeFree() { q.askAt, q.pause = 0, 0 }

// longestLine is how many claims of a quota may be in line: as many as there are
// slots, or one more than it has of them. More would be served no sooner, and
// would make those of other machines wait.
func (q *quota[J]) longestLine() int {
	if q.limit > 0 {
		return q.limit
	}
	return q.claims[granted] + q.claims[serving] + 1
}

// mostAsks is how many workers ask for slots of one quota at a time at most.
const mostAsks = 64

// review puts a quota where it belongs after something about it has changed.
func (c *Core[J]) review(q *quota[J]) {
	if !c.cfg.Slots {
		return
	}
	pausing := q.askAt > c.now
	q.dueAt = q.askAt
	switch {
	case q.n > 0 && c.now-refusedPause < q.denied:
		q.dueAt = q.denied + refusedPause
		c.enlist(q, paused)
	case q.n > q.pending() && q.pending() > 0 && c.now-caution < q.denied:
		q.dueAt = q.denied + caution
		c.enlist(q, paused)
	case q.n <= q.pending(), q.claims[asking] >= max(1, q.asks):
		c.enlist(q, idle)
	case len(q.line) >= q.longestLine():
		c.enlist(q, idle)
	case pausing || len(q.line) > 0:
		c.enlist(q, crowded)
	default:
		c.enlist(q, askable)
	}
	c.noteWait(q)
}

// enlist changes what may be done for a quota. It is the only place that does.
func (c *Core[J]) enlist(q *quota[J], w want) {
	c.wants[q.want]--
	q.want = w
	c.wants[w]++
	if w == askable && !q.listed {
		q.listed = true
		c.askable.push(q)
	}
	inLine := w == crowded
	switch {
	case inLine && q.busyAt < 0:
		c.crowded.push(q)
	case inLine:
		c.crowded.fix(q.busyAt)
	case q.busyAt >= 0:
		c.crowded.remove(q.busyAt)
		q.busyAt = -1
	}
	timed := w == paused || inLine && len(q.line) == 0
	switch {
	case timed && q.due < 0:
		c.pauses.push(q)
	case timed:
		c.pauses.fix(q.due)
	case q.due >= 0:
		c.pauses.remove(q.due)
		q.due = -1
	}
}

func newCrowded[J Job]() heap[*quota[J]] {
	return heap[*quota[J]]{
		before: func(a, b *quota[J]) bool {
			if len(a.line) != len(b.line) {
				return len(a.line) < len(b.line)
			}
			return a.since < b.since
		},
		place: func(q *quota[J], i int) { q.busyAt = i },
	}
}

func newPauses[J Job]() heap[*quota[J]] {
	return heap[*quota[J]]{
		before: func(a, b *quota[J]) bool { return a.dueAt < b.dueAt },
		place:  func(q *quota[J], i int) { q.due = i },
	}
}

// endPauses lets quotas be asked for again whose time has come.
func (c *Core[J]) endPauses() {
	for len(c.pauses.all) > 0 && c.pauses.all[0].dueAt <= c.now {
		q := c.pauses.all[0]
		c.review(q)
		c.retireQuota(q)
	}
}

// available returns how many workers neither run jobs, nor ask, nor will get one
// of the slots that are there.
func (c *Core[J]) available() int {
	return c.target - c.n[busy] - c.n[asks] - c.grants.n
}

// nextAsked returns the quota whose turn it is to be asked for, or nil.
func (c *Core[J]) nextAsked() *quota[J] {
	for c.askable.n > 0 {
		q := c.askable.first()
		if q.want == askable {
			return q
		}
		c.askable.pop()
		q.listed = false
	}
	return nil
}

// ask has a worker ask for a slot that has nothing else to do. If there is none
// it lines up at once, where that may be.
func (c *Core[J]) ask(w WorkerID) Order[J] {
	q := c.nextAsked()
	if q == nil {
		return Order[J]{}
	}
	c.askable.pop()
	q.listed = false
	cl := c.begin(q, asking)
	if cl.mayWait = c.inLine() < c.places(1); cl.mayWait {
		c.mayWait++
	}
	c.become(w, asks)
	return Order[J]{Do: Ask, Claim: cl, Queue: cl.mayWait}
}

// places returns how many claims there may be in line: one for each worker that
// is available and has nothing to ask for, and the few that no worker waits for.
// Some workers more are about to be available.
func (c *Core[J]) places(more int) int {
	n := max(1, c.target/16) + max(0, c.available()+more-c.wants[askable])
	return min(n, c.maxClaims())
}

// claimsPerWorker is how many claims may be in line for each worker, unless that
// is configured.
const claimsPerWorker = 4

func (c *Core[J]) maxClaims() int {
	if c.cfg.MaxClaims > 0 {
		return c.cfg.MaxClaims
	}
	return claimsPerWorker * c.cfg.Workers
}

// inLine returns how many claims are in line, or may be before it is known.
func (c *Core[J]) inLine() int { return c.claims[waiting] + c.mayWait }

// lineUp has as many claims join their lines as there may be.
func (c *Core[J]) lineUp() {
	for len(c.crowded.all) > 0 && c.inLine() < c.places(0) {
		cl := c.begin(c.crowded.all[0], waiting)
		c.effect(Effect[J]{Kind: Join, Claim: cl})
	}
}
