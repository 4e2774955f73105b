package locktable

import "github.com/berth-go/berth/dflockd/internal/wire"

// A Bound is a limit of a Config that a claim would exceed.
type Bound uint8

// The bounds; 0 is none.
const (
	_          Bound = iota
	MaxKeys          // of the table
	MaxWaiters       // of a key
	MaxPlaces        // of a connection
	MaxSlots         // of a connection
	MaxPauses        // of the table; 10,000, whatever the Config
	MaxClocks        // of the table; 100,000 keys with a pace, whatever the Config
)

// String returns the name of the bound, as operators know it.
func (b Bound) String() string {
	return [...]string{"none", "max-locks", "max-waiters", "max-places-per-connection", "max-slots-per-connection", "max-pauses", "max-paced-keys"}[b]
}

// refusal returns the answer to a claim that would exceed b. There are words
// for the bounds of the original server alone; those of a connection borrow
// theirs.
func (b Bound) refusal() Result {
	if b == MaxKeys || b == MaxSlots || b == MaxPauses || b == MaxClocks {
		return Result{Status: wire.ErrorMaxLocks, Bound: b}
	}
	return Result{Status: wire.ErrorMaxWaiters, Bound: b}
}

// exceeded returns the bound that one more claim of l by c would exceed, or 0.
// A claim that waits counts against MaxSlots too, as it may be granted.
func (t *Table) exceeded(c *Conn, l *lock, a Claim) Bound {
	over := func(n, most int) bool { return most > 0 && n >= most }
	waits := !t.free(l, a)
	switch {
	case waits && over(l.waiting(), t.cfg.MaxWaiters):
		return MaxWaiters
	case waits && over(c.waiting, t.cfg.MaxPlaces):
		return MaxPlaces
	case over(c.held+c.waiting, t.cfg.MaxSlots):
		return MaxSlots
	case !a.Pace.IsNone() && len(t.clocks.byKey) >= maxClocks && t.clocks.byKey[l.key] == nil:
		return MaxClocks
	}
	return 0
}
