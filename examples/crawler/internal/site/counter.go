package site

import (
	"sync"
	"time"
)

// A Counter counts the requests that are being served at once, in all and per
// host, and remembers the most that it saw. The zero Counter is not ready for
// use: call NewCounter.
type Counter struct {
	full int // this many at once is "all slots in use"

	mu    sync.Mutex // guards all below; nothing but arithmetic happens while it is held
	total level
	hosts map[string]*level
	// Invariant: since is when the present number of requests was reached, and
	// no time before it is missing from fullTime and area.
	since               time.Time
	fullTime            time.Duration
	wanted              bool          // there is work for all slots
	wantedTime, metTime time.Duration // for how long there was, and all were in use meanwhile
	area                time.Duration // requests at once, summed over time
	served              int
	began               time.Time
}

// A level is how many requests are there, the most there ever were, and when
// each arrived.
type level struct {
	now, peak int
	starts    []time.Time // in order
}

// NewCounter returns a Counter that takes full requests at once for the use of
// all slots.
func NewCounter(full int) *Counter {
	return &Counter{full: full, hosts: make(map[string]*level)}
}

// Arrive counts a request of host in, and returns the function that counts it
// out, which may be called more than once.
func (c *Counter) Arrive(host string) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.advance()
	h := c.hosts[host]
	if h == nil {
		h = &level{}
		c.hosts[host] = h
	}
	c.total.enter(now)
	h.enter(now)
	c.served++
	return sync.OnceFunc(func() { c.leave(h) })
}

func (c *Counter) leave(h *level) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	c.total.now--
	h.now--
}

// advance books the time since the last change. The caller holds mu.
func (c *Counter) advance() time.Time {
	now := time.Now()
	if c.began.IsZero() {
		c.began, c.since = now, now
	}
	passed := now.Sub(c.since)
	c.area += passed * time.Duration(c.total.now)
	full := c.total.now >= c.full
	if full {
		c.fullTime += passed
	}
	if c.wanted {
		c.wantedTime += passed
	}
	if c.wanted && full {
		c.metTime += passed
	}
	c.since = now
	return now
}

// Want tells whether there is work for all slots from now on: only then is it a
// loss if not all of them are in use.
func (c *Counter) Want(all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	c.wanted = all
}

func (l *level) enter(now time.Time) {
	l.now++
	l.peak = max(l.peak, l.now)
	l.starts = append(l.starts, now)
}

// Seen is what a Counter saw.
type Seen struct {
	Requests int           // all that arrived
	Now      int           // requests being served at this moment
	Peak     int           // the most at once
	PeakHost int           // the most at once on one host
	Busiest  string        // that host
	Full     time.Duration // how long at least as many as all slots were there
	Wanted   time.Duration // how long there was work for all slots, see Want
	Met      time.Duration // how long of that all slots were in use
	Mean     float64       // requests at once on average since the first
	// Burst is the most requests that arrived in any window of a second, and
	// BurstHost the same for the host that had the most, Bursting.
	Burst, BurstHost int
	Bursting         string
}

// Seen returns what the counter has seen up to now.
func (c *Counter) Seen() Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.advance()
	s := Seen{
		Requests: c.served,
		Now:      c.total.now,
		Peak:     c.total.peak,
		Full:     c.fullTime,
		Wanted:   c.wantedTime,
		Met:      c.metTime,
		Burst:    burst(c.total.starts),
	}
	if passed := now.Sub(c.began); passed > 0 {
		s.Mean = float64(c.area) / float64(passed)
	}
	most := 0
	for name, h := range c.hosts {
		// Of hosts with the same peak, the one that was asked most.
		if h.peak > s.PeakHost || h.peak == s.PeakHost && len(h.starts) > most {
			s.PeakHost, s.Busiest, most = h.peak, name, len(h.starts)
		}
		if b := burst(h.starts); b > s.BurstHost {
			s.BurstHost, s.Bursting = b, name
		}
	}
	return s
}

// InUse returns how many requests are being served at this moment.
func (c *Counter) InUse() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total.now
}

// burst returns the most of the times, which are in order, that lie within less
// than a second.
func burst(starts []time.Time) int {
	most, first := 0, 0
	for last := range starts {
		for starts[last].Sub(starts[first]) >= time.Second {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}
