package dflockd

import "time"

// A strict server keeps the slots of a broken connection until their leases
// end. So the broken connection keeps them too, as an orphan: its timer goes
// on to guard them, and the next connection that is dialled adopts them.

// keep turns a broken connection into an orphan with the slots that it held
// and the releases that were not answered. Caller holds endpoint.mu.
func (c *conn) keep(held []*claim, unanswered []exchange, now time.Time) {
	c.held = held
	for _, cl := range held {
		cl.renewing = false
	}
	if c.e.cfg.cluster {
		c.until = now.Add(c.e.cfg.orphanTime - leastMargin)
	}
	for _, x := range unanswered {
		switch {
		case x.role == roleRelease:
			c.owed = append(c.owed, x.claim)
		case x.claim.stage == stageHeld || x.claim.abandoned != nil || x.claim.stage == stageDone:
		case c.e.cfg.cluster && (x.role == roleEnqueue || x.role == roleWait || x.role == roleConfirm):
			c.waiting = x.claim
		case x.role == roleConfirm:
			c.owed = append(c.owed, x.claim)
		}
	}
	if c.orphaned() {
		c.e.orphans = append(c.e.orphans, c)
		c.arm(c.next(now))
		c.e.later(c.e.rescue)
	}
}

// orphaned reports whether a broken connection still keeps something. Caller
// holds endpoint.mu.
func (c *conn) orphaned() bool { return len(c.held)+len(c.owed) > 0 || c.waiting != nil }

// forgotten reports whether a cluster has forgotten the connection by now.
func (c *conn) forgotten(now time.Time) bool { return !c.until.IsZero() && !now.Before(c.until) }

// rescue dials for the orphans.
func (e *endpoint) rescue() {
	e.lock()
	defer e.unlock()
	e.dialMore(time.Now())
}

// owe notes the release of a slot whose connection broke, for the one that
// adopts it. Caller holds endpoint.mu.
func (c *conn) owe(cl *claim) { c.owed = append(c.owed, cl) }

// adopt takes over the slots of a broken connection: it renews what is held
// and releases what was given back. Caller holds endpoint.mu.
func (c *conn) adopt(orphan *conn, now time.Time) {
	orphan.expire(now)
	orphan.disarm()
	for _, cl := range orphan.held {
		cl.conn, cl.place = c, len(c.held)
		c.held = append(c.held, cl)
		c.load++
		if c.e.cfg.cluster {
			cl.rejoin(roleRejoin, now)
		} else {
			cl.sendRenew(roleRenew, c.pace.answer(cl.lease), now)
		}
	}
	if cl := orphan.waiting; cl != nil {
		orphan.waiting = nil
		cl.conn, c.alone, cl.stage, cl.renewing = c, true, stageEnqueue, false
		c.load++
		cl.rejoin(roleEnqueue, now)
	}
	for _, cl := range orphan.owed {
		cl.conn = c
		cl.sendRelease(now)
	}
	orphan.held, orphan.owed = nil, nil
}

// expireAll ends every slot of an orphan. Caller holds endpoint.mu.
func (c *conn) expireAll(now time.Time) {
	for len(c.held) > 0 {
		c.held[len(c.held)-1].lose(ErrClosed, now)
	}
	c.owed = nil
	if c.waiting != nil {
		c.waiting.finish(ErrClosed)
		c.waiting = nil
	}
	c.disarm()
}
