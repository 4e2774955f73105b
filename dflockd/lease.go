package dflockd

import "time"

const (
	// longestBeat is the longest time between two renewals. It stays well
	// under the 23 s after which an original server cuts a silent connection,
	// whatever the lease.
	longestBeat = 7 * time.Second
	// shortestBeat is the shortest time between two renewals, whatever the ratio.
	// A third of the shortest lease is longer.
	shortestBeat = 100 * time.Millisecond
	// longestAnswer is the longest time that a renewal's answer may take.
	longestAnswer = 2 * time.Second
	// leastMargin is the least time between the end of a slot's context and
	// the earliest moment at which the server can grant it to somebody else.
	leastMargin = 250 * time.Millisecond
)

// A lease is what is known of one. It is pure: time comes in.
//
// Invariant: the server keeps the slot at least until from + length on its
// own clock, since it set the lease after from.
type lease struct {
	from   time.Time // before the request that set the lease was sent
	length time.Duration
}

// usable returns how long after from the lease may be relied on: less than its
// length by a margin for clocks that run at different speeds (1 %) and for the
// time that a context takes to end.
func (l lease) usable() time.Duration {
	return l.length/100*99 - max(leastMargin, l.length/20)
}

// guard returns when the slot's context must end unless the lease is renewed
// before.
func (l lease) guard() time.Time { return l.from.Add(l.usable()) }

// over reports whether the guard has passed, by the monotonic clock or by the
// wall clock: the first stands still while a machine is suspended, the second
// does not. A wall clock that is set back never extends the lease, because the
// monotonic one still counts.
func (l lease) over(now, wall time.Time) bool {
	g := l.guard()
	return !now.Before(g) || !wall.Round(0).Before(g.Round(0))
}

// spent reports whether more than a tenth of the lease has passed at now,
// counted from since.
func (l lease) spent(since, now time.Time) bool { return now.Sub(since) >= l.length/10 }

// A pace says when to renew.
type pace struct {
	ratio       float64       // of the lease, an upper bound
	readTimeout time.Duration // the server's, 0 if it is not known
}

// beat returns the time from the start of a lease to its renewal.
func (p pace) beat(length time.Duration) time.Duration {
	b := min(length/3, longestBeat, time.Duration(p.ratio*float64(length)))
	if p.readTimeout > 0 {
		b = min(b, p.readTimeout/3)
	}
	return max(b, shortestBeat)
}

// answer returns how long the answer to a renewal may take before the
// connection counts as broken. Two answers fit between beat and guard, so that
// a slot whose connection broke can be renewed over another.
func (p pace) answer(l lease) time.Duration {
	return min(longestAnswer, (l.usable()-p.beat(l.length))/2)
}

// silence returns how long a connection on which nothing is renewed may say
// nothing.
func (p pace) silence() time.Duration {
	if p.readTimeout > 0 {
		return min(longestBeat, p.readTimeout/3)
	}
	return longestBeat
}
