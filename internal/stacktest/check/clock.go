package check

import (
	"sync/atomic"
	"time"
)

// A Clock orders events in a synctest bubble, where time stands still while
// anything runs: by simulated milliseconds, and among those of the same one by
// the order in which they asked. All of the bubble must happen on whole
// milliseconds.
type Clock struct {
	begin time.Time
	asked atomic.Int64
}

// NewClock returns a clock that begins now.
func NewClock() *Clock { return &Clock{begin: time.Now()} }

// Now returns the time of an event.
func (c *Clock) Now() int64 { return c.Start(time.Now()) + c.asked.Add(1) }

// Start returns a time before all events of that millisecond.
func (c *Clock) Start(at time.Time) int64 { return at.Sub(c.begin).Milliseconds() * ticks }

// End returns a time after all events of that millisecond.
func (c *Clock) End(at time.Time) int64 { return c.Start(at) + ticks - 1 }
