package slot

import (
	"context"
	"time"

	"github.com/berth-go/berth/internal/gcra"
)

// localClocks are the clocks of lines that have been paced. One that has rested is as good
// as none, and is forgotten when there are twice as many as at the last look.
type localClocks struct {
	byName map[string]*localClock
	most   int // until the next look
}

// fewClocks is how many may be there without a look.
const fewClocks = 64

// A localClock is that of a line, which may have no users meanwhile. Its times count from
// Local.start.
type localClock struct {
	gcra.Clock
	timer *time.Timer   // calls serve, for a first in line that waits for the clock; or nil
	at    time.Duration // when
}

// stop ends all timers.
func (c *localClocks) stop() {
	for _, clock := range c.byName {
		clock.stop()
	}
	c.byName = nil
}

func (c *localClock) stop() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// of returns the clock of a line.
func (c *localClocks) of(name string, now time.Duration) *localClock {
	clock := c.byName[name]
	if clock == nil {
		if c.byName == nil {
			c.byName, c.most = make(map[string]*localClock), fewClocks
		}
		c.sweep(now)
		clock = &localClock{}
		c.byName[name] = clock
	}
	return clock
}

// sweep forgets clocks that have rested, if it is time for that.
func (c *localClocks) sweep(now time.Duration) {
	if len(c.byName) < c.most {
		return
	}
	for name, clock := range c.byName {
		if clock.Rests() <= now && clock.timer == nil {
			delete(c.byName, name)
		}
	}
	c.most = max(fewClocks, 2*len(c.byName))
}

// ready reports whether the clock of a line lets a claim of this pace go; the caller holds
// mu.
func (l *Local) ready(name string, pace gcra.Pace) bool {
	clock := l.clocks.byName[name]
	return pace.IsNone() || clock == nil || clock.Ready(pace) <= time.Since(l.start)
}

// useClock notes a grant of this pace; the caller holds mu.
func (l *Local) useClock(name string, pace gcra.Pace) {
	if !pace.IsNone() {
		now := time.Since(l.start)
		l.clocks.of(name, now).Take(now, pace)
	}
}

// wakeFor reports whether the first in line has to wait for the clock, and has the line
// served when that lets it go; the caller holds mu.
func (l *Local) wakeFor(t *localTicket) bool {
	if l.ready(t.line.name, t.pace) {
		return false
	}
	clock, now := l.clocks.byName[t.line.name], time.Since(l.start)
	at := clock.Ready(t.pace)
	if clock.timer != nil && clock.at <= at {
		return true
	}
	clock.stop()
	clock.at = at
	clock.timer = time.AfterFunc(at-now, func() { l.clockReady(t.line.name, clock, at) })
	return true
}

// clockReady serves a line. It is called by the timer that was set to at.
func (l *Local) clockReady(name string, clock *localClock, at time.Duration) {
	l.mu.Lock()
	ours := clock.timer != nil && clock.at == at
	if ours {
		clock.timer = nil
	}
	ln := l.lines[name]
	l.mu.Unlock()
	if ours && ln != nil {
		l.serve(ln)
	}
}

// AtPace returns the source for claims with a pace: see [Pacer], and [Pace], which uses it.
func (l *Local) AtPace(interval time.Duration, burst int) Source {
	return localPaced{l, gcra.Pace{Interval: interval, Burst: int64(burst)}}
}

var _ Trier = localPaced{}

// localPaced is a Local for claims with a pace.
type localPaced struct {
	src  *Local
	pace gcra.Pace
}

func (p localPaced) Enqueue(ctx context.Context, key string) (Ticket, error) {
	if !p.pace.IsValid() {
		return nil, errPace
	}
	return p.src.enqueue(ctx, key, p.pace)
}

func (p localPaced) Try(ctx context.Context, key string) (Slot, bool, error) {
	if !p.pace.IsValid() {
		return nil, false, errPace
	}
	return p.src.try(ctx, key, p.pace)
}

func (p localPaced) Close(context.Context) error { return nil }

var errPace = refuse("slot: AtPace: the interval is from 1 ns to 24 h, the burst from 1 to 10000", nil)
