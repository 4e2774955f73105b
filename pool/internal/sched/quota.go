package sched

// A quota is what the lanes share that claim slots of one name: their turns,
// and the claims that are made for them. In a core without slots all lanes are
// of one quota, which has no claims.
type quota[J Job] struct {
	name  string
	lanes int      // that exist
	n     int      // live jobs in them
	head  *lane[J] // whose turn it is; nil if no lane has a job
	last  *lane[J] // whose turn it was last
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

// only reports whether a single lane has jobs.
func (q *quota[J]) only() bool { return q.head != nil && q.head.next == q.head }
