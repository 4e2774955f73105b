package locktable

import (
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/trace"
)

// This file has the work that is done in parts, so that no call takes long
// however much there is to do. Two things can be a lot: what a closed
// connection owned, and a line from which many are served at once.
//
// A closed connection's claims end one by one, the latest first. Until its turn has come
//
//   - a place of it is in line, is never granted, and leaves when it is first
//     and a slot is free;
//   - a slot of it is held, and nobody can renew or release it, unless the
//     table keeps slots on close: then it is like any other.
//
// Invariant: if somebody waits for a lock and a slot of it is free, the table
// is frozen, or the lock is paused or in unserved, or the first who waits does so for
// the clock, which is in the heap for the time when it lets him go.

// DefaultSlice is the Slice of a Config that gives none: work of less than a
// millisecond.
const DefaultSlice = 200

// connList is a queue of connections.
type connList struct{ first, last *Conn }

func (q *connList) add(c *Conn) {
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
}

func (q *connList) removeFirst() {
	c := q.first
	if q.first = c.next; q.first == nil {
		q.last = nil
	}
	c.next = nil
}

// CloseConn ends c: none of its claims is granted any more. They are cleared by
// Clear: they leave every line, and its slots are released unless the table
// keeps them until their leases end. c must not be used any more.
func (t *Table) CloseConn(now time.Duration, c *Conn) {
	t.begin(now)
	c.closed = true
	t.noteDrop(c)
	c.places = nil // nobody asks for them any more
	if c.claims.first != nil {
		t.closing.add(c)
	}
}

// Pending reports whether there is something to do for Clear.
func (t *Table) Pending() bool { return t.closing.first != nil || len(t.unserved) > 0 }

// Clear does a part of the work that was left, Slice claims at most.
func (t *Table) Clear(now time.Duration) {
	t.begin(now)
	for n := len(t.unserved); n > 0 && t.budget > 0; n-- {
		l := t.unserved[0]
		t.unserved[0] = nil
		t.unserved = t.unserved[1:]
		if l.unserved { // or another call has done it
			l.unserved = false
			t.serve(l)
		}
	}
	for t.budget > 0 && t.closing.first != nil {
		c := t.closing.first
		if c.claims.first == nil {
			t.closing.removeFirst()
			continue
		}
		t.budget--
		t.clear(c.claims.first)
	}
	if len(t.unserved) == 0 {
		t.unserved = nil
	}
}

// clear ends a claim of a closed connection.
func (t *Table) clear(cl *claim) {
	switch {
	case cl.state == stateWaiting:
		t.leave(cl)
	case cl.state == stateLost:
		t.forgetLost(cl)
	case t.cfg.KeepOnClose:
		t.orphan(cl)
	default:
		t.release(cl, trace.Release)
	}
}

// stopped reports whether nothing is granted of l now.
func (t *Table) stopped(l *lock) bool { return t.frozen || l.delay != 0 && t.delayed(l) }

// serve grants what is free of l to those who wait, first come first served,
// as far as this call may. Those in front whose connection has closed leave;
// in a drain all do.
func (t *Table) serve(l *lock) {
	for l.head != nil && (t.drained || !t.stopped(l) && l.room(l.limitOf(l.head))) {
		if t.budget == 0 {
			t.postpone(l)
			return
		}
		t.budget--
		switch cl := l.head; {
		case cl.conn.closed:
			t.exit(cl)
		case t.drained:
			t.turnOut(cl)
		default:
			t.grantFirst(l)
		}
	}
	l.unserved = false
	t.dropIfIdle(l)
}

func (t *Table) grantFirst(l *lock) {
	cl := l.head
	l.head = cl.lineNext
	cl.conn.waiting--
	t.waiting--
	r := t.grant(cl)
	t.note(trace.Grant, cl)
	if cl.blocked {
		t.notify(cl, r)
		t.forget(cl)
	}
}

// turnOut ends a claim that waits when the table is drained.
func (t *Table) turnOut(cl *claim) {
	if cl.blocked {
		t.notify(cl, Result{Status: wire.ErrorDraining})
	}
	t.exit(cl)
}

// postpone leaves the rest of serve to Clear.
func (t *Table) postpone(l *lock) {
	if !l.unserved {
		l.unserved = true
		t.unserved = append(t.unserved, l)
	}
}
