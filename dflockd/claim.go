package dflockd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// longestWait is the timeout of sw. Whoever waits decides how long; this only
// has to be longer.
const longestWait = 7 * 24 * 3600

var (
	errGhost = errors.New("the grant had run out when it arrived")
	errPlace = errors.New("the server has no place for it in the line any more")
)

// stage is where a claim stands.
//
//	connect ──▶ try ─────────────────────────────────────▶ held ──▶ done
//	        │     │ none is free                            ▲
//	        ◀─────┘ (again, for a connection of its own)    │
//	        └─▶ enqueue ─────────────────────── acquired ───┤
//	              │ queued                                  │
//	              └─▶ wait ──▶ confirm ─────────────────────┘
//
// Any stage can end in done: refused, left, lost or released.
type stage uint8

const (
	stageConnect stage = iota // waits for a connection
	stageTry                  // sl is on its way
	stageEnqueue              // se is on its way
	stageWait                 // in line, sw is on its way
	stageConfirm              // granted; sn is on its way to see if it still is
	stageHeld                 // confirmed: the slot may be used
	stageDone                 // over; err says why
)

// verbs are the commands of a semaphore or of a lock.
type verbs struct{ try, release, renew, enqueue, wait wire.Command }

var (
	semaphoreVerbs = &verbs{wire.SemLock, wire.SemRelease, wire.SemRenew, wire.SemEnqueue, wire.SemWait}
	lockVerbs      = &verbs{wire.Lock, wire.Release, wire.Renew, wire.Enqueue, wire.Wait}
)

// A claim is one claim of a slot from its first request to its end. The
// connection's reader drives it; the claimant only waits for changed. It is a
// slot.Ticket and a slot.Slot in turn, see ticket and grant.
//
// Invariant: a slot that the server granted is held, or its release has been
// sent, or the connection that it lives on is broken.
type claim struct {
	e       *endpoint
	key     string // as the claimant gave it
	name    string // of the semaphore
	limit   int64
	verbs   *verbs
	trace   *slot.Trace
	tryOnly bool // one sl, no place in line
	alone   bool // never shares a connection
	ping    bool // claims nothing, asks whether the server answers
	patient bool // waits while the server is down, for at most the backoff

	// Guarded by endpoint.mu.
	stage     stage
	conn      *conn
	abandoned error // not nil: nobody wants it any more, and what is granted goes back
	queued    bool  // it had to wait in line
	missed    bool  // sl found no free slot
	taken     bool  // the ticket's owner has the slot
	retried   bool  // it was sent to another connection once
	hops      int   // how often another member of the cluster was named
	rejoins   bool  // its se was repeated: a grant can be old
	renewing  bool  // an sn is on its way
	tag       uint64
	token     wire.Token
	lease     lease
	beatAt    time.Time // when the lease is renewed
	place     int       // in conn.held
	asked     time.Time // before se was sent
	waited    time.Time // before sw was sent
	granted   time.Time
	confirmed time.Time
	unheard   bool          // the server did not know the slot any more when it was released
	err       error         // why it is done
	changed   chan struct{} // cap 1: stage has changed for its claimant
	ctx       context.Context
	cancel    context.CancelCauseFunc
	lost      func(token string) // called when a held slot is lost
}

// begin sends the first request over a connection with room. Caller holds
// endpoint.mu.
func (cl *claim) begin(c *conn, now time.Time) {
	cl.conn = c
	c.load++
	deadline := now.Add(cl.e.cfg.socketTimeout)
	r := wire.Request{Key: cl.name, Limit: cl.limit, Lease: cl.e.leaseSeconds()}
	x := exchange{claim: cl, sent: now, deadline: deadline}
	if cl.ping {
		cl.stage = stageTry
		x.role, x.command = rolePing, wire.Hello
		if c.features.Ping {
			x.command = wire.Ping
		}
	} else if cl.tryOnly || !cl.exclusive() && !c.features.Tags {
		cl.stage = stageTry
		x.role, x.command = roleTry, cl.verbs.try
	} else {
		cl.stage, cl.asked = stageEnqueue, now
		x.role, x.command = roleEnqueue, cl.verbs.enqueue
		if c.features.Tags {
			c.lastTag++
			cl.tag = c.lastTag
			x.tag = cl.tag
		} else {
			c.alone = true
		}
	}
	c.e.relist(c)
	c.send(x, &r)
}

// exclusive reports whether the claim needs a connection of its own. One that
// has missed always does: trying again would only miss again, at the speed of
// the network. Caller holds endpoint.mu.
func (cl *claim) exclusive() bool { return cl.alone || cl.missed }

// answered takes the answer to one of the claim's requests. An error means
// that the answer makes no sense, and breaks the connection. Caller holds
// endpoint.mu.
func (cl *claim) answered(c *conn, x exchange, r wire.Reply, now time.Time) error {
	switch x.role {
	case roleTry, roleEnqueue:
		return cl.placed(x, r, now)
	case roleWait:
		return cl.waitedFor(x, r, now)
	case roleConfirm:
		return cl.confirmedBy(x, r, now)
	case roleRenew:
		return cl.renewed(x, r, now)
	case roleRejoin:
		return cl.rejoined(x, r, now)
	case rolePing:
		cl.finish(nil)
	case roleRelease:
		cl.unheard = r.Status != wire.OK
	case roleLeave:
		// What the server says changes nothing.
	}
	return nil
}

// placed takes the answer to sl or se.
func (cl *claim) placed(x exchange, r wire.Reply, now time.Time) error {
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
	cl.conn.end(now)
	cl.stage, cl.conn = stageConnect, nil
	cl.e.want(cl, now)
}

// inLine takes the news that the claim has a place in line, and waits. The
// wait is sent at once: a slot that was granted before it would run its lease
// down unseen. Caller holds endpoint.mu.
func (cl *claim) inLine(now time.Time) {
	if cl.abandoned != nil {
		cl.leave(now)
		return
	}
	cl.queued, cl.stage, cl.waited = true, stageWait, now
	x := exchange{role: roleWait, command: cl.verbs.wait, tag: cl.tag, claim: cl, sent: now}
	cl.conn.send(x, &wire.Request{Key: cl.name, Timeout: longestWait})
	if cl.trace != nil && cl.trace.Queued != nil && !cl.rejoins {
		cl.e.later(func() { cl.trace.Queued(now) })
	}
	cl.signal()
}

// waitedFor takes the answer to sw. It can be old: the network or this process
// may have stood still, and the server answers even for a slot whose lease has
// run out meanwhile. So the grant is confirmed, unless it must be young.
// Caller holds endpoint.mu.
func (cl *claim) waitedFor(x exchange, r wire.Reply, now time.Time) error {
	if cl.e.cfg.cluster && (r.Status == wire.ErrorNotLeader || r.Status == wire.ErrorDraining) {
		return cl.e.follow(cl.conn, r) // breaks the connection; the cluster may keep the place
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

// giveBack releases a grant that nobody has or wants. Caller holds endpoint.mu.
func (cl *claim) giveBack(why error, now time.Time) {
	cl.sendRelease(now)
	cl.finish(why)
}

// sendRelease writes the release; nobody waits for its answer, but an answer
// there must be. Caller holds endpoint.mu.
func (cl *claim) sendRelease(now time.Time) {
	x := exchange{role: roleRelease, command: cl.verbs.release, claim: cl, sent: now, deadline: now.Add(cl.e.cfg.socketTimeout)}
	cl.conn.send(x, &wire.Request{Key: cl.name, Token: cl.token})
}

// refused ends the claim with the server's refusal. Caller holds endpoint.mu.
func (cl *claim) refused(r wire.Reply) {
	err := refusal(r)
	if errors.Is(err, ErrAuth) {
		cl.e.fatal = err
	}
	cl.finish(err)
}

// finish ends a claim that is not held. Caller holds endpoint.mu.
func (cl *claim) finish(err error) {
	if cl.stage == stageDone {
		return
	}
	op := "claim"
	if cl.stage == stageWait || cl.stage == stageConfirm {
		op = "wait"
	}
	if cl.abandoned != nil {
		err = cl.abandoned
	}
	cl.end(cl.wrap(op, err))
}

// end is the last step of every claim. Caller holds endpoint.mu.
func (cl *claim) end(err error) {
	cl.stage, cl.err = stageDone, err
	cl.leaveConn()
	cl.signal()
}

func (cl *claim) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Key: cl.name, Server: cl.e.address(), Err: err}
}

// leaveConn takes the claim off its connection's load. Caller holds
// endpoint.mu.
func (cl *claim) leaveConn() {
	c := cl.conn
	cl.tag = 0
	if c == nil || c.broken != nil {
		return
	}
	c.load--
	c.alone = false
	c.e.relist(c)
	c.e.assign()
}

// leave gives up the place in line: on a connection of its own by closing it.
// Caller holds endpoint.mu.
func (cl *claim) leave(now time.Time) {
	c := cl.conn
	if cl.tag == 0 {
		c.end(now)
		cl.finish(cl.abandoned)
		return
	}
	if cl.stage == stageEnqueue {
		defer cl.finish(cl.abandoned) // there is no sw whose answer would end it
	}
	x := exchange{role: roleLeave, command: wire.Leave, tag: cl.tag, claim: cl, sent: now, deadline: now.Add(cl.e.cfg.socketTimeout)}
	c.send(x, &wire.Request{Key: cl.name})
}

// abandon ends the claim because its claimant wants no slot any more. A slot
// that is granted meanwhile goes back. Caller holds endpoint.mu.
func (cl *claim) abandon(err error, now time.Time) {
	if cl.abandoned != nil {
		return
	}
	cl.abandoned = err
	if c := cl.conn; c != nil && c.waiting == cl {
		c.waiting = nil // the cluster will forget the place
		cl.finish(err)
		return
	}
	switch cl.stage {
	case stageConnect:
		cl.e.unwant(cl)
		cl.finish(err)
	case stageTry, stageEnqueue:
		// The answer will tell what there is to give back.
	case stageWait:
		cl.leave(now)
	case stageConfirm, stageHeld:
		cl.release(slot.ErrReleased, now)
	}
}

// release gives a confirmed or held slot back: the context first, so that it
// has ended before the server can grant the slot to somebody else. Caller
// holds endpoint.mu.
func (cl *claim) release(cause error, now time.Time) {
	cl.endContext(cause)
	cl.unhold()
	if cl.conn.broken == nil {
		cl.sendRelease(now)
	} else {
		cl.conn.owe(cl)
	}
	cl.end(cause)
}

// lose ends a held slot. Caller holds endpoint.mu.
func (cl *claim) lose(cause error, now time.Time) {
	err := cl.wrap("hold", mark(slot.ErrLost, cause))
	cl.endContext(err)
	cl.unhold()
	if cause == errExpired && cl.conn.broken == nil {
		cl.sendRelease(now) // it may still be ours, and somebody may wait
	}
	if cl.lost != nil && !cl.e.closing {
		token := string(cl.token.AppendTo(nil))
		cl.e.later(func() { cl.lost(token) })
	}
	cl.e.warn("slot lost", err, now)
	cl.end(err)
}

// broke takes the news that the connection is gone. Caller holds endpoint.mu.
func (cl *claim) broke(err error, now time.Time) {
	switch cl.stage {
	case stageHeld:
		cl.lose(err, now)
	case stageTry, stageEnqueue, stageWait, stageConfirm:
		cl.finish(err)
	}
}

// unhold takes the slot off its connection. Caller holds endpoint.mu.
func (cl *claim) unhold() {
	if cl.stage != stageHeld {
		return
	}
	held := cl.conn.held
	if cl.place >= len(held) || held[cl.place] != cl {
		return // the whole connection is being dropped
	}
	last := held[len(held)-1]
	held[cl.place], last.place = last, cl.place
	held[len(held)-1] = nil
	cl.conn.held = held[:len(held)-1]
}

// signal tells the claimant that the stage has changed. Caller holds
// endpoint.mu.
func (cl *claim) signal() {
	select {
	case cl.changed <- struct{}{}:
	default: // it was told before and has not looked yet
	}
}

// endContext ends the slot's context. Caller holds endpoint.mu.
func (cl *claim) endContext(cause error) {
	if cl.cancel != nil {
		cl.cancel(cause)
	}
}

// context returns the slot's context. It is made when it is first asked for.
// Caller holds endpoint.mu.
func (cl *claim) context() context.Context {
	if cl.ctx == nil {
		cl.ctx, cl.cancel = context.WithCancelCause(context.Background())
		if cl.stage == stageDone {
			cl.cancel(cl.err)
		}
	}
	return cl.ctx
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
