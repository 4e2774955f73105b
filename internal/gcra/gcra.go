// Package gcra is the clock of a rate: when the next start may be, so that no more
// come than one in each interval, and a burst of them after a rest. It is the generic
// cell rate algorithm of ATM networks, a leaky bucket in one number, and pure: the time
// is an argument.
//
// The number is the theoretical arrival time, up to which the clock is used up. A start
// uses up an interval. It may be as soon as the clock is used up for no more than
// burst - 1 intervals beyond now:
//
//	         now                          used up to here
//	──────────┼───────────┼───────────┼───────┼──────────▶ time
//	          ╰─ burst - 1 intervals ─╯       │
//	                      ╰─ wait ────────────╯
//
// So in any window w there are burst + w/interval starts at most: each but the last
// uses up an interval, of which the first begins in the window and none ends later than
// burst - 1 intervals after it.
//
// Starts of different paces can share a clock. Each uses up its own interval, and waits
// for its own burst; so in any window the intervals of all starts but the last add up to
// no more than the window and the burst of the last.
package gcra

import "time"

const (
	// MaxInterval is the longest interval of a pace.
	MaxInterval = 24 * time.Hour
	// MaxBurst is the largest burst of a pace. With MaxInterval it leaves a clock far
	// from where a time.Duration ends.
	MaxBurst = 10_000
)

// A Pace is how often there may be a start. The zero Pace is none: at any time.
type Pace struct {
	Interval time.Duration // between two starts in the long run; from 1 ns to MaxInterval
	Burst    int64         // how many there may be at once after a rest; from 1 to MaxBurst
}

// IsNone reports whether there is no pace.
func (p Pace) IsNone() bool { return p.Interval == 0 }

// IsValid reports whether p is a pace that is within its bounds.
func (p Pace) IsValid() bool {
	return p.Interval > 0 && p.Interval <= MaxInterval && p.Burst >= 1 && p.Burst <= MaxBurst
}

// A Clock is the clock of one rate. The zero Clock has had a rest at the time 0 and
// later.
type Clock struct{ used time.Duration }

// Ready returns from when on there may be a start at this pace: a time in the past, if
// there may be one now.
func (c Clock) Ready(p Pace) time.Duration {
	return c.used - time.Duration(p.Burst-1)*p.Interval
}

// Take notes a start.
func (c *Clock) Take(now time.Duration, p Pace) { c.used = max(c.used, now) + p.Interval }

// Rests returns from when on the clock is as good as one that was never used.
func (c Clock) Rests() time.Duration { return c.used }
