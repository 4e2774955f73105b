package dflockd

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/internal/linkctx"
	"github.com/berth-go/berth/slot"
)

// longestWait is the timeout of sw. Whoever waits decides how long; this only
// has to be longer.
const longestWait = 7 * 24 * 3600

var (
	errGhost = errors.New("the grant had run out when it arrived")
	errPlace = errors.New("the server has no place for it in the line any more")
)

// verbs are the commands of a semaphore or of a lock.
type verbs struct{ try, release, renew, enqueue, wait wire.Command }

var (
	semaphoreVerbs = &verbs{wire.SemLock, wire.SemRelease, wire.SemRenew, wire.SemEnqueue, wire.SemWait}
	pacedVerbs     = &verbs{wire.PacedLock, wire.SemRelease, wire.SemRenew, wire.PacedEnqueue, wire.SemWait}
	lockVerbs      = &verbs{wire.Lock, wire.Release, wire.Renew, wire.Enqueue, wire.Wait}
)

// order is what is asked for. It does not change.
type order struct {
	kind  kind
	key   string // as the claimant gave it
	name  string // of the semaphore
	limit int64
	pace  gcra.Pace
	verbs *verbs
	trace *slot.Trace
	to    slot.Claimant // of a joined claim: is told what becomes of it
}

// spot is what belongs to a claim on its way through the line.
type spot struct {
	route  route
	queued bool          // it had to wait in line
	tag    uint64        // of its requests; 0: none
	asked  time.Time     // before se was sent
	hops   int32         // how often another member of the cluster was named
	place  int32         // where in line it began, from 1; 0: not told
	calls  *calls        // of a single claim; nil otherwise
	errand *wire.Request // of kindErrand; nil otherwise
	noted  uint64        // its number in the trace, if there is one: another one for each attempt
}

// holding is what belongs to a slot from its grant on.
type holding struct {
	token     wire.Token
	lease     lease.Lease
	granted   time.Time
	confirmed time.Time
	beatAt    time.Time     // when the lease is renewed
	renewing  bool          // an sn is on its way
	paused    time.Duration // until when its key is, since endpoint.born; 0: not that we know
	index     int           // in conn.held
	back      handback
}

// claimant is what belongs to whoever made the claim.
type claimant struct {
	owner    owner
	changed  chan struct{} // cap 1: stage has changed; nil for one that is told, or single
	verdict  error         // what a joined one is told, if no slot is taken
	nextTold *claim        // see news
	ctx      *linkctx.Context
	lost     func(token string) // called when a held slot is lost
}

// A claim is one claim of a slot from its first request to its end. The
// connection's reader drives it; the claimant waits for changed, or is told. It is a
// slot.Ticket and a slot.Slot in turn, see ticket and grant.
//
// Invariant: a slot that the server granted is held, or its release has been
// sent, or the connection that it lives on is broken.
type claim struct {
	e *endpoint
	order

	// Guarded by endpoint.mu.
	stage     stage
	conn      *conn // the last one; nil before begin
	abandoned error // not nil: nobody wants it any more, and what is granted goes back
	err       error // why it is done
	spot
	holding
	claimant
}

// move takes the claim to another stage. Caller holds endpoint.mu.
func (cl *claim) move(to stage) {
	if cl.stage == stagePlace {
		cl.conn.parked = nil
	}
	cl.stage = to
	if to == stagePlace {
		cl.conn.park(cl)
	}
}

// begin sends the first request over a connection with room. Caller holds
// endpoint.mu.
func (cl *claim) begin(c *conn, now time.Time) {
	cl.conn = c
	c.load++
	switch {
	case !cl.pace.IsNone() && !c.features.Pace:
		cl.move(stageTry)
		cl.finish(errNoPace)
	case cl.kind == kindPing:
		cl.move(stageTry)
		c.e.relist(c)
		cl.sendPing(now)
	case cl.kind == kindErrand:
		cl.move(stageTry)
		c.e.relist(c)
		cl.sendErrand(now)
	case cl.kind == kindJoined && cl.exclusive() && !c.features.Tags && !cl.e.cfg.cluster:
		cl.joinLine(now)
	case cl.kind.tryOnly() || !cl.exclusive() && !c.features.Tags:
		cl.move(stageTry)
		c.e.relist(c)
		x := exchange{role: roleTry, command: cl.verbs.try, claim: cl, sent: now, deadline: now.Add(cl.e.cfg.socketTimeout)}
		c.send(x, &wire.Request{Key: cl.name, Limit: cl.limit, Pace: cl.pace, Lease: cl.e.leaseSeconds()})
	default:
		cl.lineUp(now)
	}
}

// lineUp asks for a place in line, over the connection that the claim has.
// Caller holds endpoint.mu.
func (cl *claim) lineUp(now time.Time) {
	c := cl.conn
	if c.features.Tags {
		c.lastTag++
		cl.tag = c.lastTag
	} else {
		c.alone = true
	}
	cl.move(stageEnqueue)
	cl.asked = now
	c.e.relist(c)
	cl.sendEnqueue(roleEnqueue, now)
	if cl.likelyQueued() {
		cl.move(stageBoth) // the wait goes out in the same write
		cl.sendWait(longestWait, now)
	}
}

// likelyQueued reports whether the claim will most likely have to wait, and
// somebody does. Caller holds endpoint.mu.
func (cl *claim) likelyQueued() bool {
	if cl.e.cfg.cluster || cl.kind.single() {
		return false
	}
	return cl.kind == kindJoined || cl.route >= routeLine && cl.tag == 0
}

// sendEnqueue sends se. Caller holds endpoint.mu.
func (cl *claim) sendEnqueue(ro role, now time.Time) {
	x := exchange{role: ro, command: cl.verbs.enqueue, tag: cl.tag, claim: cl, sent: now, deadline: now.Add(cl.e.cfg.socketTimeout)}
	cl.conn.send(x, &wire.Request{Key: cl.name, Limit: cl.limit, Pace: cl.pace, Lease: cl.e.leaseSeconds()})
}

// sendPing asks whether the server is there. An original one answers an error,
// which will do. Caller holds endpoint.mu.
func (cl *claim) sendPing(now time.Time) {
	x := exchange{role: rolePing, command: wire.Hello, claim: cl, sent: now, deadline: now.Add(cl.e.cfg.socketTimeout)}
	if cl.conn.features.Ping {
		x.command = wire.Ping
	}
	cl.conn.send(x, &wire.Request{})
}

// exclusive reports whether the claim needs a connection of its own. One that
// has missed always does: trying again would only miss again, at the speed of
// the network. Caller holds endpoint.mu.
func (cl *claim) exclusive() bool {
	return cl.kind.single() || cl.e.cfg.cluster || cl.route >= routeLine
}

// answered takes the answer to one of the claim's requests. An error means
// that the answer makes no sense, and breaks the connection. Caller holds
// endpoint.mu.
func (cl *claim) answered(c *conn, x exchange, r wire.Reply, now time.Time) error {
	if cl.e.cfg.trace != nil {
		cl.noteReceived(x, r, now)
	}
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
		if cl.kind == kindPing {
			cl.finish(nil)
		}
	case roleErrand:
		cl.errandDone(r)
	case roleRelease:
		return cl.handedBack(c, r)
	case roleLeave:
		// What the server says changes nothing.
	}
	return nil
}

// signal tells the claimant that the stage has changed. Caller holds
// endpoint.mu.
func (cl *claim) signal() {
	switch {
	case cl.kind == kindJoined:
		cl.tell()
	case cl.kind.single():
		cl.e.broadcast()
	default:
		select {
		case cl.changed <- struct{}{}:
		default: // it was told before and has not looked yet
		}
	}
}

// endContext ends the slot's context. Caller holds endpoint.mu.
func (cl *claim) endContext(cause error) {
	if cl.ctx != nil {
		cl.ctx.Cancel(cause)
	}
}

// context returns the slot's context. It is made when it is first asked for.
// Caller holds endpoint.mu.
func (cl *claim) context() context.Context {
	if cl.ctx == nil {
		cl.ctx = linkctx.New()
		if cl.stage == stageDone {
			cl.ctx.Cancel(cl.err)
		}
	}
	return cl.ctx
}
