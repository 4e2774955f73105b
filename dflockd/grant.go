package dflockd

import (
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// This file has what a claim does with the answers on its way to a slot.

// placed takes the answer to sl or se.
func (cl *claim) placed(x exchange, r wire.Reply, now time.Time) error {
	if cl.waits && r.Status != wire.Queued {
		cl.conn.expect(cl, now.Add(cl.e.cfg.socketTimeout))
	}
	switch {
	case cl.e.cfg.cluster && (r.Status == wire.ErrorNotLeader || r.Status == wire.ErrorDraining):
		cl.redirected(r, now)
	case r.Status == wire.Acquired && cl.rejoins:
		return cl.confirm(r, x.sent, now)
	case r.Status == wire.OK || r.Status == wire.Acquired:
		return cl.grant(r, x.sent, now)
	case r.Status == wire.Timeout:
		cl.miss(now)
	case r.Status == wire.Queued:
		cl.inLine(now)
	case r.Status == wire.ErrorAlreadyEnqueued && !cl.retried:
		// A slot of this key expired on this connection and the server still
		// remembers it. Another connection has no such past.
		cl.retried = true
		cl.again(now)
	default:
		cl.refused(r)
	}
	return nil
}

// miss takes the news that no slot is free. Caller holds endpoint.mu.
func (cl *claim) miss(now time.Time) {
	if cl.tryOnly || cl.abandoned != nil {
		cl.finish(errNoneFree)
		return
	}
	cl.missed = true
	cl.e.noteMiss(cl.name)
	cl.leaveConn()
	cl.stage, cl.conn = stageConnect, nil
	cl.e.want(cl, now)
}

var errNoneFree = errors.New("no slot is free")

// again drops the connection, which nothing else uses, and asks for another.
// Caller holds endpoint.mu.
func (cl *claim) again(now time.Time) {
	c := cl.conn
	cl.stage, cl.conn = stageConnect, nil // first: what else was asked there does not end it
	c.end(now)
	cl.e.want(cl, now)
}

// inLine takes the news that the claim has a place in line, and waits. The
// wait is sent by now: a slot that was granted before it would run its lease
// down unseen. Caller holds endpoint.mu.
func (cl *claim) inLine(now time.Time) {
	if cl.abandoned != nil {
		if cl.waits {
			cl.stage = stageWait // whose answer ends the claim
		}
		cl.leave(now)
		return
	}
	cl.queued, cl.stage = true, stageWait
	if !cl.waits {
		cl.sendWait(now)
	}
	if cl.trace != nil && cl.trace.Queued != nil && !cl.rejoins {
		cl.e.later(func() { cl.trace.Queued(now) })
	}
	cl.signal()
}

// sendWait asks for the slot once it is there, however long that takes. Caller
// holds endpoint.mu.
func (cl *claim) sendWait(now time.Time) {
	cl.waits = true
	x := exchange{role: roleWait, command: cl.verbs.wait, tag: cl.tag, claim: cl, sent: now}
	cl.conn.send(x, &wire.Request{Key: cl.name, Timeout: longestWait})
}

// waitedFor takes the answer to sw. It can be old: the network or this process
// may have stood still, and the server answers even for a slot whose lease has
// run out meanwhile. So the grant is confirmed, unless it must be young.
// Caller holds endpoint.mu.
func (cl *claim) waitedFor(x exchange, r wire.Reply, now time.Time) error {
	if cl.e.cfg.cluster && (r.Status == wire.ErrorNotLeader || r.Status == wire.ErrorDraining) {
		return cl.e.follow(cl.conn, r) // breaks the connection; the cluster may keep the place
	}
	if cl.stage != stageWait {
		return cl.waitedForNothing(r, now)
	}
	if r.Status != wire.OK {
		cl.notGranted(r)
		return nil
	}
	l, err := cl.e.leaseOf(r, x.sent)
	if err != nil {
		return err
	}
	c := cl.conn
	c.alone = false
	c.e.relist(c)
	cl.token = r.Token
	if cl.abandoned != nil {
		cl.giveBack(cl.abandoned, now)
		return nil
	}
	if !cl.rejoins && !l.spent(cl.asked, now) {
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

// confirm asks whether a grant is still held before it is used. Caller holds
// endpoint.mu.
func (cl *claim) confirm(r wire.Reply, sent, now time.Time) error {
	if _, err := cl.e.leaseOf(r, sent); err != nil {
		return err
	}
	cl.token = r.Token
	if cl.abandoned != nil {
		cl.giveBack(cl.abandoned, now)
		return nil
	}
	cl.traceGranted(now)
	cl.stage = stageConfirm
	cl.sendRenew(roleConfirm, cl.e.cfg.socketTimeout, now)
	return nil
}

// notGranted takes an answer to sw that grants nothing.
func (cl *claim) notGranted(r wire.Reply) {
	switch r.Status {
	case wire.Timeout, wire.ErrorNotEnqueued:
		cl.finish(unavailable(errPlace))
	case wire.ErrorLeaseExpired:
		cl.finish(unavailable(errGhost))
	case wire.Error:
		cl.finish(unavailable(errors.New("the server gave up the wait; it may be shutting down")))
	default:
		cl.refused(r)
	}
}

// confirmedBy takes the answer to the sn that confirms a grant.
func (cl *claim) confirmedBy(x exchange, r wire.Reply, now time.Time) error {
	cl.renewing = false
	if cl.stage != stageConfirm {
		return nil // given up meanwhile, and released
	}
	if r.Status != wire.OK {
		cl.finish(unavailable(errGhost))
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
	cl.token, cl.confirmed = r.Token, now
	c := cl.conn
	if c.alone {
		c.alone = false
		c.e.relist(c)
	}
	if cl.abandoned != nil {
		cl.giveBack(cl.abandoned, now)
		return nil
	}
	if l.over(now, cl.e.cfg.wall(now)) {
		cl.giveBack(unavailable(errGhost), now)
		return nil
	}
	if cl.granted.IsZero() {
		cl.traceGranted(now)
	}
	cl.stage = stageHeld
	cl.place = len(c.held)
	c.held = append(c.held, cl)
	cl.setLease(l)
	if !cl.queued {
		cl.e.noteFree(cl.name)
	}
	if cl.trace != nil && cl.trace.Confirmed != nil {
		cl.e.later(func() { cl.trace.Confirmed(now) })
	}
	cl.signal()
	return nil
}

// leaseOf reads the lease of a reply to a request that was sent at the given
// time. Caller holds endpoint.mu.
func (e *endpoint) leaseOf(r wire.Reply, sent time.Time) (lease, error) {
	asked := e.leaseSeconds()
	if r.Seconds < 1 || asked > 0 && r.Seconds > asked+1 {
		return lease{}, violation(fmt.Sprintf("a lease of %d s", r.Seconds))
	}
	seconds := r.Seconds
	if asked > 0 {
		seconds = min(seconds, asked)
	}
	return lease{sent, time.Duration(seconds) * time.Second}, nil
}

func (e *endpoint) leaseSeconds() int64 { return wire.Seconds(e.cfg.lease) }
