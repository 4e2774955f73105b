package sched

import "time"

// A quota is what the lanes share that claim slots of one name: their turns,
// and the claims that are made for them. In a core without slots all lanes are
// of one quota, and nothing is claimed.
type quota[J Job] struct {
	name  string
	limit int      // how many slots there are; 0: not known
	lanes int      // that exist
	n     int      // live jobs in them
	head  *lane[J] // whose turn it is; nil if no lane has a job
	last  *lane[J] // whose turn it was last

	claims [claimStates]int // by state; changed by turn alone
	line   []*Claim[J]      // those that are waiting
	since  time.Duration    // since when its jobs wait: the last start of one, or the first submit
	askAt  time.Duration    // until when it is not asked for a slot, since there was none
	pause  time.Duration    // the last one
	asks   int              // how many workers may ask at a time; 1 after one has found no slot
	length time.Duration    // how long its jobs take, about
	failed time.Duration    // when the first claim of a row of refused ones was; never: none
	denied time.Duration    // when the last claim was refused; -never: long ago
	dueAt  time.Duration    // when it is to be reviewed, if it is among the pauses
	want   want
	listed bool // it is in the ring of those that are askable, or were
	busyAt int  // its place among those that are busy, -1: none
	due    int  // its place among those whose pause ends, -1: none

	lingers bool

	wait     Cause         // what the next job waits for
	waitAt   time.Duration // since when
	waited   waits         // for how long, since a claim got into line or had its slot
	lastWait Cause         // the longest before that

	short    bool     // the jobs that were reported last were
	out      int      // batches of it that workers have, all of one lane
	outLane  *lane[J] // that
	leastOut int      // the lowest priority that a batch is of
}

// link puts a lane that gets its first job at the end of the circle, but before
// the lane that has just had its turn: a new lane waits for one job and not for
// two.
func (q *quota[J]) link(l *lane[J]) {
	if q.head == nil {
		q.head, l.next, l.prev = l, l, l
		return
	}
	after := q.head
	if after.prev == q.last {
		after = q.last
	}
	l.next, l.prev = after, after.prev
	after.prev.next, after.prev = l, l
	if after == q.head && after == q.last {
		q.head = l // the only lane has just had its turn
	}
}

func (q *quota[J]) unlink(l *lane[J]) {
	if l.next == l {
		q.head = nil
	} else {
		l.prev.next, l.next.prev = l.next, l.prev
		if q.head == l {
			q.head = l.next
		}
	}
	if q.last == l {
		q.last = nil
	}
	l.next, l.prev = nil, nil
}

// turn returns the lane whose turn it is, and passes the turn on.
func (q *quota[J]) turn() *lane[J] {
	l := q.head
	q.head, q.last = l.next, l
	return l
}

// ran takes note of how long jobs took.
func (q *quota[J]) ran(r Report) {
	took := r.Took / time.Duration(r.Jobs)
	if q.length == 0 {
		q.length = took
	}
	q.length += (took - q.length) / 4
}

// quota returns the quota of a request, making it if there is none.
func (c *Core[J]) quota(r Request[J]) *quota[J] {
	if !c.cfg.Slots {
		return &c.all
	}
	q := c.quotas[r.Slot]
	if q == nil {
		q = c.spareQuotas.get()
		*q = quota[J]{name: r.Slot, limit: r.Limit, failed: Never, denied: -Never, busyAt: -1, due: -1, line: q.line[:0]}
		c.quotas[r.Slot] = q
	}
	return q
}

// retireQuota forgets a quota that has nothing left.
func (c *Core[J]) retireQuota(q *quota[J]) {
	if c.cfg.Slots && q.lanes == 0 && q.pending()+q.claims[serving] == 0 && !q.lingers && q.want != paused && c.quotas[q.name] == q {
		c.enlist(q, idle)
		delete(c.quotas, q.name)
		if !q.listed { // else it still stands in a ring
			c.spareQuotas.put(q)
		}
	}
}
