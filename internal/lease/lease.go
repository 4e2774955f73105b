package lease

import "time"

const (
	// Margin is the least time between the end of a slot's context and the
	// earliest moment at which the engine can grant it to somebody else.
	Margin = 250 * time.Millisecond
	// WallCheck is how often the slots that are held have to be checked against
	// the wall clock: no timer fires when that one jumps.
	WallCheck = time.Second
)

// A Lease is what its holder knows of one.
//
// Invariant: the engine keeps the slot at least until From + Length on its own
// clock, since it set the lease after From.
type Lease struct {
	From   time.Time // before the request that set the lease was sent
	Length time.Duration
}

// Usable returns how long after From the lease may be relied on.
func (l Lease) Usable() time.Duration {
	return l.Length/100*99 - max(Margin, l.Length/20)
}

// Guard returns when the slot's context must end unless the lease is renewed
// before.
func (l Lease) Guard() time.Time { return l.From.Add(l.Usable()) }

// Over reports whether the guard has passed.
func (l Lease) Over(now, wall time.Time) bool { return Passed(l.Guard(), now, wall) }

// Spent reports whether more than a tenth of the lease has passed at now, counted
// from since. A grant that was under way for longer may be old: it is confirmed
// with the engine before it is used.
func (l Lease) Spent(since, now time.Time) bool { return now.Sub(since) >= l.Length/10 }

// Passed reports whether t has passed, by the monotonic clock or by the wall clock.
// Both t and now are of time.Now; wall is what the wall clock says now.
func Passed(t, now, wall time.Time) bool {
	return !now.Before(t) || !wall.Round(0).Before(t.Round(0))
}
