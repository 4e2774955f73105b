package dflockd

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/berth-go/berth/slot"
)

// This file has what is particular about the claim of a Semaphore or Lock: several
// calls can wait for it at once, each for a time of its own; it keeps a place in
// line that nobody waits for; and its connection ends with it.

const (
	// singleIdle is how long a connection is kept that was dialled for a claim
	// which was given up meanwhile.
	singleIdle = time.Millisecond
	// leaveTime is how long a call whose time is over waits until its place is gone.
	leaveTime = 100 * time.Millisecond
	// firstRelease is how long the first answer to a release may take, of the
	// second that it has: the rest is for another attempt.
	firstRelease = 400 * time.Millisecond
)

// newSingleEndpoint returns an endpoint for one claim at a time.
func newSingleEndpoint(cfg *config, servers ...string) *endpoint {
	e := newEndpoint(cfg, servers...)
	e.single = true
	e.changed = make(chan struct{})
	return e
}

// callOffDials ends the dials that nobody waits for any more. Caller holds mu.
func (e *endpoint) callOffDials() {
	if e.single && e.dialing > 0 && e.needed() == 0 {
		e.stop()
		e.ctx, e.stop = context.WithCancel(context.Background())
	}
}

// dialCalledOff takes note that a dial ended which nobody waited for. Caller holds
// mu.
func (e *endpoint) dialCalledOff(c *conn, now time.Time) {
	e.gate.calledOff()
	if c != nil {
		e.closeLater(c.raw)
	}
	e.dialMore(now)
}

// cutHung closes the connection of a claim whose answers have not come in the time
// that a Close has, and gives up a release that was not answered. What waits in
// line to give back its slot stays. Caller holds endpoint.mu.
func (cl *claim) cutHung(now time.Time) {
	c := cl.conn
	switch {
	case c == nil || c.broken == nil && c.staying():
	case c.broken == nil:
		c.end(now)
	default:
		c.owed = slices.DeleteFunc(c.owed, func(o *claim) bool { return o == cl })
		c.forgetIfEmpty()
	}
}

// staying reports whether a claim that was given up waits in line there, so that
// its slot goes back when it comes. Caller holds endpoint.mu.
func (c *conn) staying() bool {
	for _, x := range c.pending {
		if x.claim.stage == stageWait && x.claim.abandoned != nil {
			return true
		}
	}
	return false
}

// changes returns the channel that tells when there may be something new about a
// claim. Caller holds mu.
func (e *endpoint) changes(cl *claim) chan struct{} {
	if e.single {
		return e.changed
	}
	return cl.changed
}

// broadcast tells all calls that wait. Caller holds mu.
func (e *endpoint) broadcast() {
	if e.single {
		close(e.changed)
		e.changed = make(chan struct{})
	}
}

// calls counts the calls that are at work on a claim.
type calls struct {
	enqueue int32     // wait for a place in line
	wait    int32     // wait for the slot, until the time below at the latest
	ask     int32     // want to know if it is granted now
	release int32     // want to know that it is back
	until   time.Time // the latest end of a wait so far
}

// awaited reports whether somebody waits for the slot. Caller holds endpoint.mu.
func (cl *claim) awaited() bool { return !cl.kind.single() || cl.calls.wait > 0 }

// releaseAwaited reports whether a call wants to know that the slot is back. Caller
// holds endpoint.mu.
func (cl *claim) releaseAwaited() bool { return cl.calls != nil && cl.calls.release > 0 }

// deserted reports whether the last call that wanted the slot has given up. One
// that joins the line wants the place alone. Caller holds endpoint.mu.
func (cl *claim) deserted() bool {
	return cl.calls.wait+cl.calls.ask == 0 && (cl.calls.enqueue == 0 || cl.stage >= stagePlace)
}

// giveUp is called by a call that wants the claim no more, and knows why. The
// claim ends with the last one, unless somebody was told that he has the slot.
// Caller holds endpoint.mu.
func (cl *claim) giveUp(now time.Time) {
	if cl.stage != stageDone && cl.owner != ownerHas && cl.deserted() {
		cl.abandon(ErrClosed, now)
	}
}

// drop ends the claim because its owner says so. What he was told he has is
// cut with its connection; anything else goes back. Caller holds endpoint.mu.
func (cl *claim) drop(now time.Time) {
	switch {
	case cl.stage == stageDone:
	case cl.stage == stageHeld && cl.owner == ownerHas:
		cl.cut(now)
	default:
		cl.abandon(ErrClosed, now)
	}
	cl.signal()
}

// left reports whether nothing of the claim is under way any more that ends by
// itself soon: its connection is closed, or waits in line to give back what comes.
// Caller holds endpoint.mu.
func (cl *claim) left() bool {
	switch {
	case cl.stage != stageDone:
		return cl.stage == stageWait && cl.tag == 0
	case cl.conn == nil:
		return cl.e.dialing == 0
	default:
		return cl.conn.broken != nil && !slices.Contains(cl.conn.owed, cl)
	}
}

// park keeps the connection of a place that nobody waits for alive. Caller holds
// endpoint.mu.
func (c *conn) park(cl *claim) {
	c.parked = cl
	c.arm(c.heard.Add(c.pace.Longest))
}

// keepPlace asks for a sign of life when the connection has been silent for long:
// else the server would cut it, and the place in line with it. It renews nothing.
// Caller holds endpoint.mu.
func (c *conn) keepPlace(now time.Time) {
	if c.parked != nil && c.unanswered() == 0 && now.Sub(c.heard) >= c.pace.Longest {
		c.parked.sendPing(now)
	}
}

// phase returns where the claim is, or was. Caller holds endpoint.mu.
func (cl *claim) phase() phase {
	switch {
	case cl == nil:
		return phaseIdle
	case cl.calls.release > 0:
		return phaseReleasing
	case cl.abandoned != nil:
		return phaseClosed
	case cl.stage < stagePlace:
		return phaseOpening
	case cl.stage == stagePlace:
		return phaseQueued
	case cl.stage == stageHeld && cl.owner == ownerHas:
		return phaseHeld
	case cl.stage < stageDone:
		return phaseWaiting
	case lostError(cl.err) || cl.owner == ownerWaits && errors.Is(cl.err, slot.ErrUnavailable):
		return phaseLost
	default:
		return phaseClosed
	}
}
