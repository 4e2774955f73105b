package dflockd

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/internal/lease"
)

// This file has what a claim does with the answers on its way to a slot.

// placed takes the answer to sl or se.
func (cl *claim) placed(x exchange, r wire.Reply, now time.Time) error {
	if cl.stage == stageBoth && r.Status != wire.Queued {
		cl.conn.expect(cl, now.Add(cl.e.cfg.socketTimeout))
	}
	switch {
	case cl.e.cfg.cluster && (r.Status == wire.ErrorNotLeader || r.Status == wire.ErrorDraining):
		cl.redirected(r, now)
	case r.Status == wire.Acquired && cl.route == routeBack:
		return cl.confirm(r, x.sent, now)
	case r.Status == wire.OK || r.Status == wire.Acquired:
		return cl.grant(r, x.sent, now)
	case r.Status == wire.Timeout:
		cl.miss(now)
	case r.Status == wire.Queued:
		cl.notePlace(r)
		cl.inLine(now)
	case r.Status == wire.ErrorAlreadyEnqueued && cl.route != routeAgain:
		// A slot of this key expired on this connection and the server still
		// remembers it. Another connection has no such past.
		cl.route = routeAgain
		cl.again(now)
	default:
		cl.refused(r)
	}
	return nil
}

// notePlace notes where in line the claim began, if the server says so. A claim
// that joins the line anew began where it did at first. Caller holds endpoint.mu.
func (cl *claim) notePlace(r wire.Reply) {
	if cl.place == 0 {
		cl.place = int32(min(r.Place, math.MaxInt32))
	}
}

// miss takes the news that no slot is free. Caller holds endpoint.mu.
func (cl *claim) miss(now time.Time) {
	if cl.kind.tryOnly() || cl.abandoned != nil {
		cl.finish(errNoneFree)
		return
	}
	cl.route = max(cl.route, routeLine)
	cl.e.noteMiss(cl.name)
	cl.leaveConn()
	cl.move(stageConnect)
	cl.conn = nil
	cl.e.want(cl, now)
}

var errNoneFree = errors.New("no slot is free")

// again drops the connection, which nothing else uses, and asks for another.
// Caller holds endpoint.mu.
func (cl *claim) again(now time.Time) {
	c := cl.conn
	cl.move(stageConnect) // first: what else was asked there does not end it
	cl.conn = nil
	c.end(now)
	cl.e.want(cl, now)
}

// inLine takes the news that the claim has a place in line, and waits if
// somebody does: a slot that was granted before sw is sent runs its lease down
// unseen. Caller holds endpoint.mu.
func (cl *claim) inLine(now time.Time) {
	if cl.abandoned != nil {
		if cl.stage == stageBoth {
			cl.move(stageWait) // whose answer ends the claim
		}
		cl.leave(now)
		return
	}
	cl.queued = true
	switch {
	case cl.stage == stageBoth:
		cl.move(stageWait)
	case cl.awaited():
		cl.wait(now)
	default:
		cl.move(stagePlace)
	}
	if cl.trace != nil && cl.trace.Queued != nil && cl.route != routeBack {
		cl.e.callLater("slot.Trace.Queued", func() { cl.trace.Queued(now) })
	}
	cl.signal()
}

// wait asks for the slot once it is there. Caller holds endpoint.mu.
func (cl *claim) wait(now time.Time) {
	cl.move(stageWait)
	cl.sendWait(cl.waitSeconds(now), now)
}

// ask asks for the slot if it is there now; otherwise the place in line is gone.
// Caller holds endpoint.mu.
func (cl *claim) ask(now time.Time) {
	cl.move(stageAsk)
	cl.sendWait(0, now)
}

// waitSeconds returns how long the server shall wait: longer than anybody here
// does. Where a wait cannot be called off, it ends by itself soon after that: its
// place is then in nobody's way. Caller holds endpoint.mu.
func (cl *claim) waitSeconds(now time.Time) int64 {
	if !cl.kind.single() || cl.tag != 0 {
		return longestWait
	}
	return min(wire.Seconds(cl.calls.until.Sub(now))+1, longestWait)
}

// sendWait sends sw. Only one that is answered at once has a deadline. Caller
// holds endpoint.mu.
func (cl *claim) sendWait(seconds int64, now time.Time) {
	x := exchange{role: roleWait, command: cl.verbs.wait, tag: cl.tag, claim: cl, sent: now}
	if seconds == 0 {
		x.deadline = now.Add(cl.e.cfg.socketTimeout)
	}
	cl.conn.send(x, &wire.Request{Key: cl.name, Timeout: seconds})
}

// waitedFor takes the answer to sw. It can be old: the network or this process
// may have stood still, and the server answers even for a slot whose lease has
// run out meanwhile. So the grant is confirmed, unless it must be young.
// Caller holds endpoint.mu.
func (cl *claim) waitedFor(x exchange, r wire.Reply, now time.Time) error {
	if cl.e.cfg.cluster && (r.Status == wire.ErrorNotLeader || r.Status == wire.ErrorDraining) {
		return cl.e.follow(cl.conn, r) // breaks the connection; the cluster may keep the place
	}
	if cl.stage != stageWait && cl.stage != stageAsk {
		return cl.waitedForNothing(r, now)
	}
	if r.Status != wire.OK {
		cl.notGranted(r, now)
		return nil
	}
	l, err := cl.e.leaseOf(r, x.sent)
	if err != nil {
		return err
	}
	c := cl.conn
	c.alone = false
	c.e.relist(c)
	cl.granting(r, l, now)
	if cl.abandoned != nil {
		cl.giveBack(cl.abandoned, now)
		return nil
	}
	if cl.route != routeBack && !l.Spent(cl.asked, now) {
		return cl.grant(r, x.sent, now)
	}
	return cl.confirm(r, x.sent, now)
}

// waitedForNothing takes the answer to an sw whose se was not answered queued.
// After a slot that was free it renews the lease, which is counted from before
// se all the same. Caller holds endpoint.mu.
func (cl *claim) waitedForNothing(r wire.Reply, now time.Time) error {
	switch {
	case r.Status == wire.OK && r.Token != cl.token:
		return violation("a slot that nobody asked for")
	case r.Status != wire.OK && cl.stage == stageHeld:
		cl.lose(errNotOurs, now)
	}
	return nil
}

// granting notes what was granted. Until the slot is held, its lease only says for
// how long it is worth while to give it back. Caller holds endpoint.mu.
func (cl *claim) granting(r wire.Reply, l lease.Lease, now time.Time) {
	cl.token = r.Token
	cl.lease = lease.Lease{From: now, Length: l.Length}
}

// confirm asks whether a grant is still held before it is used. Caller holds
// endpoint.mu.
func (cl *claim) confirm(r wire.Reply, sent, now time.Time) error {
	l, err := cl.e.leaseOf(r, sent)
	if err != nil {
		return err
	}
	cl.granting(r, l, now)
	if cl.abandoned != nil {
		cl.giveBack(cl.abandoned, now)
		return nil
	}
	cl.traceGranted(now)
	cl.move(stageConfirm)
	cl.sendRenew(roleConfirm, cl.e.cfg.socketTimeout, now)
	return nil
}

// notGranted takes an answer to sw that grants nothing. Caller holds
// endpoint.mu.
func (cl *claim) notGranted(r wire.Reply, now time.Time) {
	switch r.Status {
	case wire.Timeout:
		cl.notYet(now)
	case wire.ErrorNotEnqueued:
		cl.finish(errs.Unavailable(errPlace))
	case wire.ErrorLeaseExpired:
		cl.finish(errs.Unavailable(errGhost))
	case wire.Error:
		cl.finish(errs.Unavailable(errors.New("the server gave up the wait; it may be shutting down")))
	default:
		cl.refused(r)
	}
}

// notYet takes the news that the wait is over and the place in line gone. A
// single claim joins the line again for those who still wait. Caller holds
// endpoint.mu.
func (cl *claim) notYet(now time.Time) {
	switch {
	case cl.kind.single() && cl.abandoned == nil && cl.calls.wait > 0:
		cl.lineUp(now)
		cl.signal()
	case cl.stage == stageAsk:
		cl.finish(errNoneFree)
	default:
		cl.finish(errs.Unavailable(errPlace))
	}
}

// confirmedBy takes the answer to the sn that confirms a grant.
func (cl *claim) confirmedBy(x exchange, r wire.Reply, now time.Time) error {
	cl.renewing = false
	if cl.stage != stageConfirm {
		return nil // given up meanwhile, and released
	}
	if r.Status != wire.OK {
		cl.finish(errs.Unavailable(errGhost))
		return nil
	}
	r.Token = cl.token
	return cl.grant(r, x.sent, now)
}

// grant makes the slot usable, if it still is: its lease counts from before
// the request was sent, which may be long ago. Caller holds endpoint.mu.
func (cl *claim) grant(r wire.Reply, sent, now time.Time) error {
	l, err := cl.e.leaseOf(r, sent)
	if err != nil {
		return err
	}
	cl.granting(r, l, now)
	cl.confirmed = now
	c := cl.conn
	if c.alone {
		c.alone = false
		c.e.relist(c)
	}
	if cl.abandoned != nil {
		cl.giveBack(cl.abandoned, now)
		return nil
	}
	if l.Over(now, cl.e.cfg.wall(now)) {
		cl.giveBack(errs.Unavailable(errGhost), now)
		return nil
	}
	if cl.granted.IsZero() {
		cl.traceGranted(now)
	}
	cl.move(stageHeld)
	cl.index = len(c.held)
	c.held = append(c.held, cl)
	cl.setLease(l)
	if !cl.queued {
		cl.e.noteFree(cl.name)
	}
	if cl.trace != nil && cl.trace.Confirmed != nil {
		cl.e.callLater("slot.Trace.Confirmed", func() { cl.trace.Confirmed(now) })
	}
	cl.signal()
	return nil
}

// leaseOf reads the lease of a reply to a request that was sent at the given
// time. Caller holds endpoint.mu.
func (e *endpoint) leaseOf(r wire.Reply, sent time.Time) (lease.Lease, error) {
	asked := e.leaseSeconds()
	if r.Seconds < 1 || asked > 0 && r.Seconds > asked+1 {
		return lease.Lease{}, violation(fmt.Sprintf("a lease of %d s", r.Seconds))
	}
	seconds := r.Seconds
	if asked > 0 {
		seconds = min(seconds, asked)
	}
	return lease.Lease{From: sent, Length: time.Duration(seconds) * time.Second}, nil
}

func (e *endpoint) leaseSeconds() int64 { return wire.Seconds(e.cfg.lease) }
