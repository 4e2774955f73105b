package dflockd

import (
	"errors"
	"slices"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/slot"
)

// judgeDelay is how long this process must have been running, since it was last
// seen to stand still, before it calls an answer late: what arrived meanwhile is
// read in that time.
const judgeDelay = 50 * time.Millisecond

var (
	errNoAnswer = errors.New("no answer in time: the server is frozen or overloaded, or the network is down")
	errExpired  = errors.New("its lease was not renewed in time")
	errUntaken  = errors.New("the slot was granted, and nobody asked for it before its lease ended")
	errNotOurs  = errors.New("the server says that it is not held any more")
	errRevoked  = errs.InWords("the server does not renew it: somebody has taken it back", slot.ErrRevoked)
)

// arm makes tick run at the given time at the latest. Caller holds endpoint.mu.
func (c *conn) arm(at time.Time) {
	if !c.armed.IsZero() && !at.Before(c.armed) {
		return
	}
	d := time.Until(at)
	switch {
	case c.armed.IsZero():
		c.e.tasks.Add(1) // tick is done, or disarm
		if c.timer == nil {
			c.timer = time.AfterFunc(d, c.tick)
		} else {
			c.timer.Reset(d)
		}
	case c.timer.Stop():
		c.timer.Reset(d)
	default:
		return // tick is about to run, and arms it again
	}
	c.armed = at
}

// disarm stops the timer. Caller holds endpoint.mu.
func (c *conn) disarm() {
	if !c.armed.IsZero() && c.timer.Stop() {
		c.armed = time.Time{}
		c.e.tasks.Done()
	}
}

// tick does what is due: it breaks a connection whose answers are late, ends
// the contexts of slots whose guard has passed, renews leases, and closes what
// has been idle for long. An answer that is read is never late, however long it
// took: the lease that it brings says what it is worth. One timer serves all slots of the connection, and
// none runs while there is nothing to wait for.
func (c *conn) tick() {
	defer c.e.tasks.Done()
	now := time.Now()
	c.e.lock()
	defer c.e.unlock()
	if now.Sub(c.armed) >= judgeDelay {
		// The process was stopped, or starved: answers may lie in the socket
		// that the reader has had no time to read.
		c.judge = now.Add(judgeDelay)
	}
	c.armed = time.Time{}
	if c.broken == nil && c.late(now) {
		c.fail(errNoAnswer, now)
	}
	c.expire(now)
	if c.broken == nil {
		c.renew(now)
		c.keepPlace(now)
		c.closeIdle(now)
	}
	if at := c.next(now); !at.IsZero() {
		c.arm(at)
	}
}

// late reports whether an answer is overdue, and would have been read by now if
// it were there. Caller holds endpoint.mu.
func (c *conn) late(now time.Time) bool {
	if now.Before(c.judge) {
		return false
	}
	for _, x := range c.pending {
		if !x.deadline.IsZero() && !now.Before(x.deadline) {
			return true
		}
	}
	for _, x := range c.tagged {
		if !x.deadline.IsZero() && !now.Before(x.deadline) {
			return true
		}
	}
	return false
}

// expire ends the slots whose guard has passed. Caller holds endpoint.mu.
func (c *conn) expire(now time.Time) {
	wall := c.e.cfg.wall(now)
	for i := len(c.held) - 1; i >= 0; i-- {
		if cl := c.held[i]; cl.lease.Over(now, wall) || c.forgotten(now) {
			cl.runOut(now)
		}
	}
	c.owed = slices.DeleteFunc(c.owed, func(cl *claim) bool { return cl.lease.Over(now, wall) })
	if c.waiting != nil && c.forgotten(now) {
		c.waiting.finish(errs.Unavailable(errPlace))
		c.waiting = nil
	}
	c.forgetIfEmpty()
}

// runOut ends a slot whose guard has passed. One that nobody asked for is not lost
// but goes back. Caller holds endpoint.mu.
func (cl *claim) runOut(now time.Time) {
	if cl.owner == ownerHas {
		cl.lose(errExpired, now)
	} else {
		cl.release(cl.wrap("wait", errs.Unavailable(errUntaken)), now)
	}
}

// beats reports whether the lease of a slot has to be renewed. One that nobody was
// told of is not: it may be that nobody will ever ask for it. Caller holds
// endpoint.mu.
func (cl *claim) beats() bool { return cl.owner == ownerHas && !cl.renewing }

// renew sends the renewals that are due, and those nearly due with them: they
// share a write. Caller holds endpoint.mu.
func (c *conn) renew(now time.Time) {
	for _, cl := range c.held {
		if cl.beats() && !now.Before(cl.beatAt.Add(-c.pace.Lead(cl.lease.Length))) {
			cl.sendRenew(roleRenew, c.pace.Answer(cl.lease), now)
		}
	}
}

// closeIdle closes the connection if it has been of no use for long enough.
// Caller holds endpoint.mu.
func (c *conn) closeIdle(now time.Time) {
	if c.load == 0 && c.unanswered() == 0 && now.Sub(c.heard) >= c.idle {
		c.end(now)
	}
}

// stale reports whether the connection has been silent for so long, by either
// clock, that the server may have cut it: it must not be used again. Caller
// holds endpoint.mu.
func (c *conn) stale(now time.Time) bool {
	return lease.Passed(c.heard.Add(c.idle), now, c.e.cfg.wall(now))
}

// next returns when there will be something to do, or zero. Caller holds
// endpoint.mu.
func (c *conn) next(now time.Time) time.Time {
	var at time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, cl := range c.held {
		sooner(cl.lease.Guard())
		if cl.beats() && c.broken == nil {
			sooner(cl.beatAt)
		}
		sooner(now.Add(lease.WallCheck))
	}
	for _, cl := range c.owed {
		sooner(cl.lease.Guard())
	}
	if c.orphaned() {
		sooner(c.until)
	}
	if c.parked != nil && c.unanswered() == 0 {
		sooner(c.heard.Add(c.pace.Longest))
	}
	for _, exchanges := range [][]exchange{c.pending, c.tagged} {
		for _, x := range exchanges {
			if x.deadline.Before(c.judge) && !x.deadline.IsZero() {
				x.deadline = c.judge
			}
			sooner(x.deadline)
		}
	}
	if c.load == 0 && c.unanswered() == 0 && c.broken == nil {
		sooner(c.heard.Add(c.idle))
	}
	return at
}

// sendRenew asks the server to set the claim's lease anew. Caller holds
// endpoint.mu.
func (cl *claim) sendRenew(ro role, answer time.Duration, now time.Time) {
	cl.renewing = true
	x := exchange{role: ro, command: cl.verbs.renew, claim: cl, sent: now, deadline: now.Add(answer)}
	cl.conn.send(x, &wire.Request{Key: cl.name, Token: cl.token, Lease: cl.e.leaseSeconds()})
}

// renewed takes the answer to a renewal. Caller holds endpoint.mu.
func (cl *claim) renewed(x exchange, r wire.Reply, now time.Time) error {
	cl.renewing = false
	if cl.stage != stageHeld {
		return nil // released meanwhile
	}
	if cl.e.cfg.cluster && (r.Status == wire.ErrorNotLeader || r.Status == wire.ErrorDraining) {
		return cl.e.follow(cl.conn, r) // breaks the connection; the cluster may keep the slot
	}
	if r.Status != wire.OK {
		cause := errNotOurs
		if r.Status == wire.ErrorRevoked {
			cause = errRevoked
		}
		cl.traceRenewed(x, now, cause)
		cl.lose(cause, now)
		return nil
	}
	cl.pausedFor(r.Paused, now)
	l, err := cl.e.leaseOf(r, x.sent)
	if err != nil {
		return err
	}
	cl.traceRenewed(x, now, nil)
	cl.setLease(l)
	if l.Over(now, cl.e.cfg.wall(now)) {
		cl.lose(errExpired, now)
	}
	return nil
}

// setLease notes a lease that the server has confirmed, and when to renew it.
// Caller holds endpoint.mu.
func (cl *claim) setLease(l lease.Lease) {
	cl.lease = l
	cl.beatAt = cl.conn.pace.Due(l)
	cl.conn.arm(l.From.Add(min(lease.WallCheck, cl.beatAt.Sub(l.From))))
}
