package dflockd

import (
	"slices"
	"time"

	"github.com/berth-go/berth/internal/lease"
)

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
		c.until = now.Add(c.e.cfg.orphanTime - lease.Margin)
	}
	if cl := c.parked; cl != nil && c.e.cfg.cluster {
		c.waiting = cl
	}
	for _, x := range unanswered {
		switch {
		case x.role == roleRelease:
			c.owe(x.claim)
		case x.claim.stage == stageHeld || x.claim.abandoned != nil || x.claim.stage == stageDone:
		case c.e.cfg.cluster && (x.role == roleEnqueue || x.role == roleWait || x.role == roleConfirm):
			c.waiting = x.claim
		case x.role == roleConfirm:
			c.owe(x.claim)
		}
	}
	c.orphan(now)
}

// keepOwed turns a broken connection of an immediate server into an orphan if
// somebody wants to know what became of a release that was not answered. Caller
// holds endpoint.mu.
func (c *conn) keepOwed(unanswered []exchange, now time.Time) {
	for _, x := range unanswered {
		if x.role == roleRelease && x.claim.releaseAwaited() {
			c.owe(x.claim)
		}
	}
	c.orphan(now)
}

// orphan has another connection dialled for what a broken one keeps, if anything.
// Caller holds endpoint.mu.
func (c *conn) orphan(now time.Time) {
	if c.orphaned() {
		c.e.orphans = append(c.e.orphans, c)
		c.arm(c.next(now))
		c.e.later(c.e.rescue)
	}
}

// orphaned reports whether a broken connection still keeps something. Caller
// holds endpoint.mu.
func (c *conn) orphaned() bool { return len(c.held)+len(c.owed) > 0 || c.waiting != nil }

// forgetIfEmpty takes a broken connection that keeps nothing off the list of the
// orphans. Caller holds endpoint.mu.
func (c *conn) forgetIfEmpty() {
	if c.broken != nil && !c.orphaned() {
		c.e.orphans = slices.DeleteFunc(c.e.orphans, func(o *conn) bool { return o == c })
	}
}

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

// adopt takes over the slots of a broken connection: it renews what is held,
// guards it from now on, and releases what was given back. Caller holds endpoint.mu.
func (c *conn) adopt(orphan *conn, now time.Time) {
	orphan.expire(now)
	orphan.disarm()
	for _, cl := range orphan.held {
		cl.conn, cl.index = c, len(c.held)
		c.held = append(c.held, cl)
		c.load++
		if c.e.cfg.cluster {
			cl.rejoin(roleRejoin, now)
		} else {
			cl.sendRenew(roleRenew, c.pace.Answer(cl.lease), now)
		}
	}
	if cl := orphan.waiting; cl != nil {
		orphan.waiting = nil
		cl.move(stageEnqueue)
		cl.conn, c.alone, cl.renewing = c, true, false
		c.load++
		cl.rejoin(roleEnqueue, now)
	}
	for _, cl := range orphan.owed {
		cl.conn, c.alone = c, c.alone || c.e.single
		cl.sendRelease(now)
	}
	orphan.held, orphan.owed = nil, nil
	if at := c.next(now); !at.IsZero() {
		c.arm(at) // a guard can pass before the answer to the renewal is due
	}
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
