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
//	connect ──▶ try ─────────────────────────────────────▶ held ──▶ done
//	        │     │ none is free                            ▲
//	        ◀─────┘ (again, for a connection of its own)    │
//	        └─▶ enqueue ─────────────────────── acquired ───┤
//	              │ queued                                  │
//	              └─▶ wait ──▶ confirm ─────────────────────┘
//
// A claim that was made with Join can go from connect to wait in one step.
//
// Any stage can end in done: refused, left, lost or released.
type stage uint8

const (
	stageConnect stage = iota // waits for a connection
	stageTry                  // sl is on its way
	stageEnqueue              // se is on its way
	stageWait                 // in line, sw is on its way, or one sl that waits
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
// connection's reader drives it; the claimant waits for changed, or is told. It is a
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
	tryOnly bool          // one sl, no place in line
	alone   bool          // never shares a connection
	ping    bool          // claims nothing, asks whether the server answers
	patient bool          // waits while the server is down, for at most the backoff
	to      slot.Claimant // is told what becomes of it; nil: its claimant waits for changed

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
	waits     bool      // its sw has been sent
	asked     time.Time // before se was sent
	granted   time.Time
	confirmed time.Time
	unheard   bool          // the server did not know the slot any more when it was released
	err       error         // why it is done
	changed   chan struct{} // cap 1: stage has changed for its claimant
	told      bool          // to is being told
	verdict   error         // what it is told, if no slot is taken
	nextTold  *claim        // see news
	ctx       *linkctx.Context
	lost      func(token string) // called when a held slot is lost
}

// begin sends the first request over a connection with room. Caller holds
// endpoint.mu.
func (cl *claim) begin(c *conn, now time.Time) {
	cl.conn, cl.waits = c, false
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
	} else if cl.to != nil && cl.exclusive() && !c.features.Tags && !cl.e.cfg.cluster {
		cl.joinLine(now)
		return
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
	if cl.stage == stageEnqueue && (cl.missed && cl.tag == 0 || cl.to != nil) && !cl.e.cfg.cluster {
		// It will most likely be queued: its wait goes out in the same write.
		cl.sendWait(now)
	}
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

// signal tells the claimant that the stage has changed. Caller holds
// endpoint.mu.
func (cl *claim) signal() {
	if cl.to != nil {
		cl.tell()
		return
	}
	select {
	case cl.changed <- struct{}{}:
	default: // it was told before and has not looked yet
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
