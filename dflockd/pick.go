package dflockd

import (
	"time"
)

// This file has how claims find connections with room.

// assign gives the connections that have room to the claims that wait for one,
// in order. Caller holds mu.
func (e *endpoint) assign() {
	if len(e.own) > 0 || len(e.shared) > 0 {
		e.assignAt(time.Now())
	}
}

func (e *endpoint) assignAt(now time.Time) {
	for len(e.shared) > 0 {
		c := e.pick(now, true)
		if c == nil {
			break
		}
		cl := e.shared[0]
		e.shared = pop(e.shared)
		cl.begin(c, now)
	}
	for len(e.own) > 0 {
		c := e.pickFor(e.own[0], now)
		if c == nil {
			break
		}
		e.beginOwn(c, now)
	}
}

// assignAny does the same without being choosy: what cannot be had is not waited
// for. Caller holds mu.
func (e *endpoint) assignAny(now time.Time) {
	for len(e.own) > 0 && !e.closing {
		c := e.pick(now, false)
		if c == nil {
			break
		}
		e.beginOwn(c, now)
	}
}

// beginOwn gives c to the first claim that waits for a connection of its own.
// Caller holds mu.
func (e *endpoint) beginOwn(c *conn, now time.Time) {
	cl := e.own[0]
	e.own = pop(e.own)
	cl.begin(c, now)
}

// pop removes the first element; the slice keeps its memory when it empties.
func pop(claims []*claim) []*claim {
	claims[0] = nil
	if len(claims) == 1 {
		return claims[:0]
	}
	return claims[1:]
}

// pick returns a connection with room: one that others share, if that may be,
// or one without a claim. Caller holds mu.
func (e *endpoint) pick(now time.Time, shared bool) *conn {
	if n := len(e.open); shared && n > 0 {
		return e.open[n-1]
	}
	return e.pickIdle(now, false)
}

// pickFor returns a connection without a claim for cl. Caller holds mu.
func (e *endpoint) pickFor(cl *claim, now time.Time) *conn {
	if cl.to != nil && !e.cfg.cluster {
		return e.pickIdle(now, true)
	}
	return e.pick(now, false)
}

// pickIdle returns a connection without a claim, and ends those that it finds
// useless. A quiet one is one on which no answer is due: an answer that comes
// while the next request waits there is acknowledged by itself, which costs more
// than to write a request more. Caller holds mu.
func (e *endpoint) pickIdle(now time.Time, quiet bool) *conn {
	for i := len(e.idle) - 1; i >= 0; i-- {
		switch c := e.idle[i]; {
		case c.stale(now) || c.member != e.leader:
			c.end(now) // one that was looked at takes its place in the list
		case !quiet || c.unanswered() == 0:
			return c
		}
	}
	return nil
}

// relist moves c to the list that fits its load. Caller holds mu.
func (e *endpoint) relist(c *conn) {
	var list *[]*conn
	switch {
	case c.broken != nil || c.alone:
	case c.load == 0:
		list = &e.idle
	case c.load < maxLoad:
		list = &e.open
	}
	if list == c.list {
		return
	}
	if c.list != nil {
		old := *c.list
		last := old[len(old)-1]
		old[c.place], last.place = last, c.place
		old[len(old)-1] = nil
		*c.list = old[:len(old)-1]
	}
	if c.list = list; list != nil {
		c.place = len(*list)
		*list = append(*list, c)
	}
}

// forget takes a broken connection out of the lists. Caller holds mu.
func (e *endpoint) forget(c *conn) {
	e.relist(c)
	delete(e.conns, c)
}
