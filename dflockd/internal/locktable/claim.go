package locktable

import (
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/trace"
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
// Invariant: waiting and held mean in its lock's line; held means counted in its
// lock and found by its token, too; both, and lost, mean in its connection's list,
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
	origin     origin

	lineNext, linePrev   *claim // of its lock's line
	ownedNext, ownedPrev *claim // of its connection
}

// An origin is what a claim's connection had said of itself when the claim was
// made, whether the claim lives, which means that it waits or holds, and whether
// its slot was taken back.
type origin uint8

const (
	live origin = 1 << iota
	listed
	ownLimits
	revoked // not renewed any more
	paced   // its connection has nothing to do with that
)

func (o origin) has(bit origin) bool { return o&bit != 0 }

func (c *Conn) origin() origin {
	o := live
	if c.Listed {
		o |= listed
	}
	if c.OwnLimits {
		o |= ownLimits
	}
	return o
}

func (t *Table) newClaim(c *Conn, l *lock, a Claim) *claim {
	cl := &claim{lock: l, conn: c, tag: a.Tag, lease: a.Lease, since: t.now, heap: -1, origin: c.origin()}
	if cl.origin.has(listed) {
		t.listed++
	}
	t.admit(l, cl, a.Limit)
	if !a.Pace.IsNone() {
		t.pace(cl, a.Pace)
	}
	l.line.add(cl)
	c.add(cl)
	return cl
}

// enqueue puts a new claim at the end of the line.
func (t *Table) enqueue(c *Conn, l *lock, a Claim) *claim {
	cl := t.newClaim(c, l, a)
	if l.head == nil {
		l.head = cl
		if cl.origin.has(paced) {
			t.delayed(l)
		}
	}
	t.waiting++
	c.waiting++
	return cl
}

// block makes cl one whose end is an event, by timeout at the latest.
func (t *Table) block(cl *claim, timeout time.Duration) {
	cl.blocked = true
	cl.conn.blocked++
	t.setDue(cl, after(t.now, timeout))
}

// grant makes cl, which does not wait, the holder of a slot. It does not say so to
// whoever waits for the answer: that is serve's.
func (t *Table) grant(cl *claim) Result {
	if cl.origin.has(paced) {
		t.unpace(cl, true)
	}
	cl.state = stateHeld
	cl.token = t.newToken()
	cl.lock.hold(cl)
	if cl.lock.held > cl.lock.most() {
		panic("bug: granted more slots than the limit")
	}
	cl.conn.held++
	t.tokens.add(cl)
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

// leave takes a waiting claim out of its line. Where limits differ or there are
// paces, that may be what those behind it waited for.
func (t *Table) leave(cl *claim) {
	mixed := cl.lock.mixed != nil || cl.lock.delay != 0
	t.exit(cl)
	if mixed {
		t.serve(cl.lock)
	} else {
		t.dropIfIdle(cl.lock)
	}
}

// exit is leave for a lock that is looked at again.
func (t *Table) exit(cl *claim) {
	if cl.blocked {
		cl.blocked = false
		cl.conn.blocked--
	}
	if cl.lock.head == cl {
		cl.lock.head = cl.lineNext
	}
	t.note(trace.Leave, cl)
	cl.lock.line.remove(cl)
	if cl.origin.has(paced) {
		t.unpace(cl, false)
	}
	t.waiting--
	cl.conn.waiting--
	t.end(cl)
}

// expireWait ends a wait that took too long.
func (t *Table) expireWait(cl *claim) {
	if !cl.conn.closed {
		t.notify(cl, t.timedOut())
	}
	t.leave(cl)
}

// release frees a held slot and serves the line. Why it does so is noted.
func (t *Table) release(cl *claim, why trace.Kind) {
	t.note(why, cl)
	t.unhold(cl)
	t.end(cl)
	t.serve(cl.lock)
}

// expireLease is release for a lease that ran out. A claim that Wait has not
// asked for yet stays, so that Wait can say what became of it.
func (t *Table) expireLease(cl *claim) {
	t.count.Expiries++
	if !cl.remembered || cl.conn.closed || cl.conn.lost >= maxLost {
		t.release(cl, trace.Expire)
		return
	}
	t.note(trace.Expire, cl)
	t.unhold(cl)
	t.due.remove(cl)
	cl.state = stateLost
	cl.conn.lost++
	t.retire(cl)
	t.serve(cl.lock)
}

// unhold takes a held slot away from cl.
func (t *Table) unhold(cl *claim) {
	if cl.state != stateHeld {
		panic("bug: releasing a claim that is " + cl.state.String())
	}
	t.tokens.remove(cl)
	t.holds.add(t.now - cl.since)
	cl.lock.unhold(cl)
	if cl.conn != nil {
		cl.conn.held--
	}
}

// orphan lets a held slot outlive its connection.
func (t *Table) orphan(cl *claim) {
	t.forget(cl)
	cl.conn.remove(cl)
	cl.conn.held--
	if name := cl.conn.Name; name != "" {
		if t.orphans == nil {
			t.orphans = map[*claim]string{}
		}
		t.orphans[cl] = name
	}
	cl.conn = nil
}

// retire counts cl, which neither waits nor holds any more, no longer.
func (t *Table) retire(cl *claim) {
	if !cl.origin.has(live) {
		return
	}
	cl.origin &^= live
	if cl.origin.has(listed) {
		t.listed--
	}
	t.dismiss(cl)
}

// end takes cl, which neither waits nor holds any more, out of everything.
func (t *Table) end(cl *claim) {
	t.forget(cl)
	t.due.remove(cl)
	t.retire(cl)
	if cl.conn != nil {
		cl.conn.remove(cl)
	} else {
		delete(t.orphans, cl)
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

func (t *Table) remember(cl *claim) {
	cl.conn.remember(cl)
	t.places++
}

func (t *Table) forget(cl *claim) {
	if cl.remembered {
		cl.conn.forget(cl)
		t.places--
	}
}
