package etcd

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/internal/linkctx"
	"github.com/berth-go/berth/slot"
)

// A claim is one claim of a slot from its first request to its end. It is a
// slot.Ticket, a slot.Place and a slot.Slot in turn.
//
// Invariant: a claim whose key is in etcd is queued, granted or taken; or the
// removal of the key is pending; or the lease that the key hangs on is renewed no
// more.
type claim struct {
	src   *Source
	key   string // as the claimant gave it
	name  string // of the semaphore
	limit int
	trace *slot.Trace
	to    slot.Claimant // is told what becomes of it; nil: a ticket
	asked time.Time

	// For a ticket; nil otherwise.
	placed  chan struct{} // closed when the state is no longer asked
	settled chan struct{} // closed when it is granted, or done

	// Guarded by the source's mu.
	state state
	err   error // why it is done
	tries int   // how often it was sent in vain
	entry       // once it was sent
	grant       // once it is granted
	move        // once it is abandoned
}

// An entry is a claim's key in etcd.
type entry struct {
	keyName
	position int       // among the claims of its line in the same transaction
	created  int64     // the revision at which the key came; 0: not known yet
	ahead    int       // how many waited in front of it then
	waited   bool      // it was not granted at once
	seen     time.Time // before the last request was sent that found the key as it was put
}

// A keyName is a key that a session has put, or has tried to.
type keyName struct {
	line   *line
	number int
	id     string
}

// A grant is what belongs to a slot.
type grant struct {
	at          time.Time
	ctx         *linkctx.Context // nil until somebody asks for it
	pausedUntil time.Time
}

// A move is an abandoned slot's way to a lease of its own.
type move struct {
	abandoned bool
	moveTo    clientv3.LeaseID // the lease, once there is one
	moveLease lease.Lease      // the same
	own       *lease.Lease     // the same, once the slot hangs on it and on nothing else
}

// place takes the news that the claim is in line, and maybe has a slot. Caller holds
// mu.
func (c *claim) place(granted bool, now time.Time) {
	ln := c.line
	switch {
	case c.state == stateDone: // given up meanwhile
		c.src.remove(c.keyName)
	case ln.picture.rev >= c.created && !ln.shows(c):
		c.src.verdict(c, place{})
	case granted:
		c.granted(now)
	default:
		c.state = stateQueued
		c.waited = true
		ln.queued++
		c.tellTrace("slot.Trace.Queued", func(t *slot.Trace) func(time.Time) { return t.Queued }, now)
		c.signal(c.placed)
		c.src.watchLine(ln)
		c.src.advance(ln, now)
	}
}

// granted takes the news that the claim has a slot, if that is still of use. Caller
// holds mu.
func (c *claim) granted(now time.Time) {
	s := c.src
	c.at = now
	if c.guard().Over(now, s.cfg.wall(now)) {
		s.remove(c.keyName)
		c.finish(s.wrap("wait", c.name, errs.Unavailable(errLate)))
		return
	}
	if c.state == stateQueued {
		c.line.unqueue(now)
	}
	c.state = stateGranted
	s.held[c] = struct{}{}
	s.arm(c.until())
	c.tellTrace("slot.Trace.Granted", func(t *slot.Trace) func(time.Time) { return t.Granted }, now)
	c.tellTrace("slot.Trace.Confirmed", func(t *slot.Trace) func(time.Time) { return t.Confirmed }, now)
	c.signal(c.placed)
	c.signal(c.settled)
	if c.to != nil {
		c.state = stateTaken
		s.later = append(s.later, c.tellGranted)
	}
}

// finish ends the claim, whatever it is. Caller holds mu, and sees to its key.
func (c *claim) finish(err error) {
	was := c.state
	if was == stateDone {
		return
	}
	c.state, c.err = stateDone, err
	if c.ctx != nil {
		c.ctx.Cancel(err)
	}
	delete(c.src.held, c)
	if c.line != nil {
		if was == stateQueued {
			c.line.unqueue(time.Now())
		}
		c.line.forget(c)
	}
	c.signal(c.placed)
	c.signal(c.settled)
	if c.to != nil && was != stateTaken {
		c.src.later = append(c.src.later, func() { c.src.cfg.call("slot.Claimant.Refused", func() { c.to.Refused(err) }) })
	}
}

// vanished ends a claim whose place is not what it was: its key is gone, or was marked.
// Caller holds mu.
func (c *claim) vanished(why error) {
	if c.state.holds() {
		c.finish(c.src.wrap("hold", c.name, errs.Lost(why)))
		return
	}
	c.finish(c.src.wrap("wait", c.name, errs.InWords("the place in line is lost: "+why.Error(), slot.ErrLost, why)))
}

// runOut ends a slot whose guard has passed. One that is used is not free before its
// lease could end: the job has that time to see that its context has ended. Caller holds
// mu.
func (c *claim) runOut() {
	s, k := c.src, c.keyName
	l := c.guard()
	switch {
	case c.state == stateGranted:
		c.finish(s.wrap("wait", c.name, errs.Unavailable(errUntaken)))
		s.remove(k)
	case c.own != nil:
		c.finish(s.wrap("hold", c.name, errs.Lost(errExpired)))
	default:
		c.finish(s.wrap("hold", c.name, errs.Lost(errExpired)))
		s.removeIn(l.Length-l.Usable(), k)
	}
}

// giveUp ends a claim that nobody wants any more, unless its slot was taken.
func (s *Source) giveUp(c *claim, why error, what string) {
	s.lock()
	defer s.unlock()
	switch c.state {
	case stateQueued, stateGranted:
		s.remove(c.keyName)
		fallthrough
	case stateAsked: // the answer finds it done
		c.finish(s.wrap(what, c.name, why))
	}
}

// take hands the slot over. Caller holds mu.
func (c *claim) take() (slot.Slot, error) {
	if !c.state.holds() {
		return nil, c.err
	}
	c.state = stateTaken
	return (*held)(c), nil
}

// release gives the slot back. Caller holds mu.
func (c *claim) release() {
	c.finish(slot.ErrReleased)
	c.src.remove(c.keyName)
	if id := c.moveTo; c.own != nil && c.line.session.dead {
		c.src.spawn(func() { c.src.revoke(id) })
	}
}

// guard returns the lease that the slot may be relied on for: the session's, or its
// own. The session's counts from the last time that the key was seen as it was put:
// after that it can have been taken back. Of a move whose answer is not there nobody
// knows which of the two it is. Caller holds mu.
func (c *claim) guard() lease.Lease {
	if c.own != nil {
		return *c.own
	}
	l := c.line.session.lease
	if c.seen.Before(l.From) {
		l.From = c.seen
	}
	if c.moveTo != 0 && c.moveLease.Guard().Before(l.Guard()) {
		return c.moveLease
	}
	return l
}

// until returns when the slot ends unless something happens before. Caller holds mu.
func (c *claim) until() time.Time {
	until := c.guard().Guard()
	if c.state == stateGranted {
		if untaken := (lease.Lease{From: c.at, Length: c.line.session.lease.Length}).Guard(); untaken.Before(until) {
			return untaken
		}
	}
	return until
}

// context returns the slot's context. Caller holds mu.
func (c *claim) context() context.Context {
	if c.ctx == nil {
		c.ctx = linkctx.New()
		if c.state == stateDone {
			c.ctx.Cancel(c.err)
		}
	}
	return c.ctx
}

// lost returns why the slot was lost, or nil. Caller holds mu.
func (c *claim) lost() error {
	if errors.Is(c.err, slot.ErrLost) {
		return c.err
	}
	return nil
}

// signal closes a channel of the claim. Caller holds mu.
func (c *claim) signal(ch chan struct{}) {
	if ch == nil {
		return
	}
	select {
	case <-ch:
	default:
		close(ch)
	}
}
