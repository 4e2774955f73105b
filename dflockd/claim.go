package dflockd

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
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

// stage is where a claim stands.
//
//	connect ──▶ try ───────────────────────────────────────────▶ held ──▶ done
//	        │     │ none is free                                  ▲
//	        ◀─────┘ (again, for a connection of its own)          │
//	        │                                                     │
//	        └─▶ enqueue, both ────────────────── acquired ────────┤
//	              │ queued                                        │
//	              ├──▶ place ──▶ ask ──▶ confirm ─────────────────┤
//	              │      │        │ not yet, and others wait      │
//	              │      │        └──▶ enqueue                    │
//	              └──────┴──▶ wait ──▶ confirm ───────────────────┘
//
// Only the claim of a [Semaphore] or [Lock] stops at place: nothing is granted
// to it that nobody waits for. A claim that was made with Join can go from
// connect to wait in one step. A grant that is young needs no confirmation.
//
// Any stage can end in done: refused, left, lost or released.
type stage uint8

const (
	stageConnect stage = iota // waits for a connection
	stageTry                  // sl is on its way
	stageEnqueue              // se is on its way
	stageBoth                 // se and sw are on their way, in one write
	stagePlace                // in line; nobody waits for the slot, and no sw is out
	stageAsk                  // in line; an sw of timeout 0 is out
	stageWait                 // in line; sw is out, or one sl that waits
	stageConfirm              // granted; sn is on its way to see if it still is
	stageHeld                 // confirmed: the slot may be used
	stageDone                 // over; err says why
)

var stageNames = [...]string{"connect", "try", "enqueue", "both", "place", "ask", "wait", "confirm", "held", "done"}

// String returns the name of the stage in the drawing above.
func (s stage) String() string { return stageNames[s] }

// settled reports whether the claim waits for nothing but the end of the slot.
func (s stage) settled() bool { return s >= stageHeld }

// inLine reports whether the claim has a place in line.
func (s stage) inLine() bool { return s == stagePlace || s == stageAsk || s == stageWait }

// kind is what a claim is for.
type kind uint8

const (
	kindPooled    kind = iota // of a Source: it may wait in line, and often shares a connection
	kindTry                   // of a Source: one sl, no place in line
	kindJoined                // of a Source: its claimant does not wait but is told
	kindSingle                // of a Semaphore or Lock, on a connection of its own
	kindSingleTry             // of the same: one sl, no place in line
	kindPing                  // claims nothing, asks whether the server answers
)

var kindNames = [...]string{"pooled", "try", "joined", "single", "single try", "ping"}

// String returns the name of the kind.
func (k kind) String() string { return kindNames[k] }

// single reports whether the claim is that of a Semaphore or Lock.
func (k kind) single() bool { return k == kindSingle || k == kindSingleTry }

// tryOnly reports whether the claim takes no place in line.
func (k kind) tryOnly() bool { return k == kindTry || k == kindSingleTry }

// route is how a claim got where it is. It only ever grows, but that a claim that
// came back can be sent elsewhere.
type route uint8

const (
	routeTry   route = iota // it may share a connection, and tries first
	routeLine               // none was free: it joins the line over a connection of its own
	routeAgain              // sent to another connection, since the first one remembered an old claim
	routeBack               // its se was repeated after its connection broke: a grant can be old
)

var routeNames = [...]string{"try", "line", "again", "back"}

// String returns the name of the route.
func (r route) String() string { return routeNames[r] }

// owner says what the claimant knows.
type owner uint8

const (
	ownerWaits owner = iota // nothing yet
	ownerHas                // it has the slot, or had it
	ownerKnows              // it was told that it gets none
)

var ownerNames = [...]string{"waits", "has it", "knows"}

// String says what the claimant knows.
func (o owner) String() string { return ownerNames[o] }

// handback is how far the release of a slot got.
//
//	kept ──▶ sent ──▶ returned, denied
//	          │ connection broken
//	          └──▶ resent ──▶ returned
type handback uint8

const (
	handbackKept     handback = iota // nothing was sent
	handbackSent                     // sr is on its way
	handbackResent                   // sr is on its way again, the server may have had the first one
	handbackReturned                 // the server has the slot back
	handbackDenied                   // the server did not know the slot any more
)

var handbackNames = [...]string{"kept", "sent", "resent", "returned", "denied"}

// String returns the name of the state.
func (h handback) String() string { return handbackNames[h] }

// verbs are the commands of a semaphore or of a lock.
type verbs struct{ try, release, renew, enqueue, wait wire.Command }

var (
	semaphoreVerbs = &verbs{wire.SemLock, wire.SemRelease, wire.SemRenew, wire.SemEnqueue, wire.SemWait}
	lockVerbs      = &verbs{wire.Lock, wire.Release, wire.Renew, wire.Enqueue, wire.Wait}
)

// order is what is asked for. It does not change.
type order struct {
	kind  kind
	key   string // as the claimant gave it
	name  string // of the semaphore
	limit int64
	verbs *verbs
	trace *slot.Trace
	to    slot.Claimant // of a joined claim: is told what becomes of it
}

// spot is what belongs to a claim on its way through the line.
type spot struct {
	route  route
	queued bool      // it had to wait in line
	tag    uint64    // of its requests; 0: none
	asked  time.Time // before se was sent
	hops   int       // how often another member of the cluster was named
	calls  *calls    // of a single claim; nil otherwise
}

// holding is what belongs to a slot from its grant on.
type holding struct {
	token     wire.Token
	lease     lease
	granted   time.Time
	confirmed time.Time
	beatAt    time.Time // when the lease is renewed
	renewing  bool      // an sn is on its way
	index     int       // in conn.held
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
	case cl.kind == kindPing:
		cl.move(stageTry)
		c.e.relist(c)
		cl.sendPing(now)
	case cl.kind == kindJoined && cl.exclusive() && !c.features.Tags && !cl.e.cfg.cluster:
		cl.joinLine(now)
	case cl.kind.tryOnly() || !cl.exclusive() && !c.features.Tags:
		cl.move(stageTry)
		c.e.relist(c)
		x := exchange{role: roleTry, command: cl.verbs.try, claim: cl, sent: now, deadline: now.Add(cl.e.cfg.socketTimeout)}
		c.send(x, &wire.Request{Key: cl.name, Limit: cl.limit, Lease: cl.e.leaseSeconds()})
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
	cl.conn.send(x, &wire.Request{Key: cl.name, Limit: cl.limit, Lease: cl.e.leaseSeconds()})
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
	case roleRelease:
		cl.handedBack(r)
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
