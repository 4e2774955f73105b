package locktable

import (
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// state is where a claim is; see the package documentation.
type state uint8

const (
	stateWaiting state = iota
	stateHeld
	stateLost
	stateGone
)

func (s state) String() string {
	return [...]string{"waiting", "held", "lost", "gone"}[s]
}

// maxLost bounds how many lost claims a connection may leave unasked for.
const maxLost = 64

// claim is one attempt to get one slot.
//
// Invariant: waiting means in its lock's line; held means counted in its lock
// and found by its token; both, and lost, mean in its connection's list,
// unless the connection is gone. Invariant: it is in the heap if and only if
// it is held, or waiting and blocked.
type claim struct {
	lock  *lock
	conn  *Conn // nil: the connection closed, and the slot outlives it
	token wire.Token
	tag   uint64
	lease time.Duration
	since time.Duration // when it was made; when it was granted, once it is

	due  time.Duration // when the lease or the wait ends
	at   time.Duration // its position in the heap says; at <= due
	heap int32         // index in the heap; -1: not in it

	state      state
	blocked    bool // somebody waits for an event
	remembered bool // has a place

	lineNext, linePrev   *claim // of its lock's line
	ownedNext, ownedPrev *claim // of its connection
}

func (t *Table) newClaim(c *Conn, l *lock, a Claim) *claim {
	cl := &claim{lock: l, conn: c, tag: a.Tag, lease: a.Lease, since: t.now, heap: -1}
	c.claims.add(cl)
	return cl
}

// enqueue puts a new claim at the end of the line.
func (t *Table) enqueue(c *Conn, l *lock, a Claim) *claim {
	cl := t.newClaim(c, l, a)
	l.waiting.add(cl)
	t.waiting++
	return cl
}

// block makes cl one whose end is an event, by timeout at the latest.
func (t *Table) block(cl *claim, timeout time.Duration) {
	cl.blocked = true
	cl.conn.blocked++
	t.setDue(cl, after(t.now, timeout))
}

// grant makes cl, which is in no line, the holder of a slot. It does not say
// so to whoever waits: that is serve's.
func (t *Table) grant(cl *claim) Result {
	cl.state = stateHeld
	cl.token = t.newToken()
	cl.lock.held++
	cl.lock.last = cl
	if cl.lock.held > cl.lock.limit {
		panic("bug: granted more slots than the limit")
	}
	cl.conn.held++
	t.tokens[cl.token] = cl
	t.count.Grants++
	t.waits.add(t.now - cl.since)
	cl.since = t.now
	t.setDue(cl, after(t.now, cl.lease))
	return Result{Status: wire.OK, Token: cl.token, Lease: cl.lease}
}

// notify answers a blocked claim.
func (t *Table) notify(cl *claim, r Result) {
	if !cl.blocked {
		panic("bug: event for a claim that nobody waits for")
	}
	cl.blocked = false
	cl.conn.blocked--
	t.events = append(t.events, Event{Conn: cl.conn, Tag: cl.tag, Result: r})
}

// leave takes a waiting claim out of its line.
func (t *Table) leave(cl *claim) {
	if cl.blocked {
		cl.blocked = false
		cl.conn.blocked--
	}
	cl.lock.waiting.remove(cl)
	t.waiting--
	t.end(cl)
	t.dropIfIdle(cl.lock)
}

// expireWait ends a wait that took too long.
func (t *Table) expireWait(cl *claim) {
	t.notify(cl, t.timedOut())
	t.leave(cl)
}

// release frees a held slot and serves the line.
func (t *Table) release(cl *claim) {
	t.unhold(cl)
	t.end(cl)
	t.serve(cl.lock)
}

// expireLease is release for a lease that ran out. A claim that Wait has not
// asked for yet stays, so that Wait can say what became of it.
func (t *Table) expireLease(cl *claim) {
	t.count.Expiries++
	if !cl.remembered || cl.conn.lost >= maxLost {
		t.release(cl)
		return
	}
	t.unhold(cl)
	t.due.remove(cl)
	cl.state = stateLost
	cl.conn.lost++
	t.serve(cl.lock)
}

// unhold takes a held slot away from cl.
func (t *Table) unhold(cl *claim) {
	if cl.state != stateHeld {
		panic("bug: releasing a claim that is " + cl.state.String())
	}
	delete(t.tokens, cl.token)
	t.holds.add(t.now - cl.since)
	cl.lock.held--
	if cl.lock.last == cl {
		cl.lock.last = nil
	}
	if cl.conn != nil {
		cl.conn.held--
	}
}

// orphan lets a held slot outlive its connection.
func (t *Table) orphan(cl *claim) {
	t.forget(cl)
	cl.conn.claims.remove(cl)
	cl.conn.held--
	cl.conn = nil
}

// end takes cl, which neither waits nor holds any more, out of everything.
func (t *Table) end(cl *claim) {
	t.forget(cl)
	t.due.remove(cl)
	if cl.conn != nil {
		cl.conn.claims.remove(cl)
	}
	cl.state = stateGone
}

func (t *Table) forgetLost(cl *claim) {
	cl.conn.lost--
	t.end(cl)
}

// setDue sets when cl ends. Later than before costs nothing: the heap learns
// of it when the old time comes.
func (t *Table) setDue(cl *claim, due time.Duration) {
	cl.due = due
	if cl.heap >= 0 && cl.at <= due {
		t.due.up(int(cl.heap)) // a waiter that was granted is ahead of those that wait
		return
	}
	t.due.remove(cl)
	cl.at = due
	t.due.add(cl)
}

// place returns where cl is remembered: by its tag, or else by its key.
func (cl *claim) place() place {
	if cl.tag != 0 {
		return place{conn: cl.conn, tag: cl.tag}
	}
	return place{conn: cl.conn, key: cl.lock.key}
}

func (t *Table) remember(cl *claim) {
	cl.remembered = true
	t.places[cl.place()] = cl
}

func (t *Table) forget(cl *claim) {
	if cl.remembered {
		cl.remembered = false
		delete(t.places, cl.place())
	}
}

// lookup returns the claim that c remembers under a's tag, or else a's key.
func (t *Table) lookup(c *Conn, a Claim) *claim {
	if a.Tag != 0 {
		return t.places[place{conn: c, tag: a.Tag}]
	}
	return t.places[place{conn: c, key: string(a.Key)}]
}

// find is lookup for requests that name a place: key and tag must both fit.
func (t *Table) find(c *Conn, a Claim) *claim {
	if cl := t.lookup(c, a); cl != nil && cl.lock.key == string(a.Key) {
		return cl
	}
	return nil
}
