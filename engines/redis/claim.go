package redis

import (
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/internal/linkctx"
	"github.com/berth-go/berth/slot"
)

// state says where a claim stands.
//
//	asking ── the engine has it in line ──▶ queued ──── granted ────┐
//	   │                                                            ▼
//	   └───── the engine has granted it ───────────────────────▶ granted
//	                                                                │ the claimant has it
//	                                                                ▼
//	each ── given up, refused, released, lost, closed ──▶ done ◀── held
type state uint8

const (
	asking  state = iota // the engine has not answered
	queued               // in line; renewed
	granted              // has a slot that nobody has asked for; not renewed
	held                 // has a slot that its claimant knows of; renewed
	done                 // over, for err
)

func (s state) String() string {
	switch s {
	case asking:
		return "asking"
	case queued:
		return "queued"
	case granted:
		return "granted"
	case held:
		return "held"
	case done:
		return "done"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// A claim is what one call of Enqueue, Try or Join asks for, until its slot is gone.
type claim struct {
	src   *Source
	key   string // as the caller named it
	name  string // of the semaphore
	limit int
	pace  gcra.Pace
	once  bool   // it does not wait in line
	line  *line  // set when it begins
	id    string // as the engine knows it, set when it begins
	to    slot.Claimant
	trace *slot.Trace

	// signal has something in it when the state has changed. Whoever waits for the
	// claim takes it out; one that finds the claim settled puts it back.
	signal chan struct{}

	ctx linkctx.Context // of the slot, once it is granted

	// Guarded by Source.mu.
	state     state
	err       error       // why it is done
	lease     lease.Lease // From: the last request was sent that was answered and renewed it
	asked     time.Time   // the last renewal was sent, answered or not
	told      bool        // the grant came before the answer that it is in line
	copies    bool        // more than one copy of its request was sent, or its fate is not known
	abandoned bool        // not renewed any more
	owed      bool        // it was lost, and the engine may have it until its claimant is done
	fence     uint64
	waited    bool // it was put in line
	ahead     int  // how many waited there in front
	info      slot.Info
	paused    time.Time
	guard     *time.Timer // ends held
}

// settled reports whether the claim waits no more. Caller holds Source.mu.
func (c *claim) settled() bool { return c.state >= granted }

// wake has whoever waits for the claim look at it.
func (c *claim) wake() {
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

// answered is called with what the engine says of a new claim. Caller holds Source.mu.
func (c *claim) answered(cmd *goredis.Cmd, o *op, sent, now time.Time) {
	answer, err := cmd.Int64Slice()
	if err == nil && len(answer) != 4 {
		err = errAnswer
	}
	c.copies = o.copies.count() > 1 || err != nil
	switch {
	case err != nil:
		c.failed(err, o)
	case c.state == done: // it was given up
		if answer[0] != claimAbsent {
			c.src.leave(c)
		}
	case answer[0] == claimAbsent && c.once:
		c.end(errNoneFree)
	case answer[0] == claimAbsent:
		c.end(c.src.wrap("claim", c.name, errNoPlace))
	default:
		c.src.scheduleServe(c.line, answer[3], now)
		c.placed(answer, sent, now)
	}
}

// failed is called when there was no answer. Unless the request was never sent, or
// its only copy was refused, the claim may be in line there. Caller holds Source.mu.
func (c *claim) failed(err error, o *op) {
	if n := o.copies.count(); n > 1 || n == 1 && !answered(err) {
		c.src.leave(c)
	}
	if c.state != done {
		c.end(c.src.wrap("claim", c.name, c.src.trouble(err)))
	}
}

// placed is called when the engine has the claim. Caller holds Source.mu.
func (c *claim) placed(answer []int64, sent, now time.Time) {
	c.lease.From = sent
	c.fence, c.ahead = uint64(answer[1]), int(answer[2])
	if answer[0] == claimHolds {
		c.grant(false, now)
		return
	}
	c.state, c.waited = queued, true
	c.src.traceQueued(c, now)
	if c.told {
		c.grant(true, now)
		return
	}
	c.wake()
}

// grant is called when the engine has given the claim a slot. The slot may be relied
// on until a lease after the last renewal that was answered, whenever the grant was
// and however late the word of it comes. Caller holds Source.mu.
func (c *claim) grant(waited bool, now time.Time) {
	if c.lease.Over(now, now) {
		c.src.leave(c)
		c.end(c.src.wrap("wait", c.name, errSilence))
		return
	}
	c.state = granted
	c.ctx.Join()
	c.info = slot.Info{Key: c.key, GrantedAt: now, ConfirmedAt: now, Queued: waited}
	c.src.traceGranted(c, now)
	if c.to != nil {
		c.take(now)
		c.src.later(c.tellGranted)
		return
	}
	c.wake()
}

// take makes the slot the claimant's. Caller holds Source.mu.
func (c *claim) take(now time.Time) *grant {
	c.state = held
	c.guard = time.AfterFunc(c.lease.Guard().Sub(now), c.guarded)
	return (*grant)(c)
}

// guarded ends the slot when its lease can no longer be relied on. It is called by
// the timer.
func (c *claim) guarded() {
	s := c.src
	s.lock()
	defer s.unlock()
	now := time.Now()
	if c.state != held {
		return
	}
	if c.lease.Over(now, now) {
		c.expire()
		return
	}
	c.guard.Reset(c.lease.Guard().Sub(now))
}

// renewed is called with what the engine says of a claim that it was to renew.
// Caller holds Source.mu.
func (c *claim) renewed(is int64, paused, sent, now time.Time) {
	switch {
	case c.state == done || c.state == asking:
	case is == claimAbsent && c.state == queued:
		c.end(c.src.wrap("wait", c.name, errNoPlace))
	case is == claimAbsent:
		c.traceRenewed(sent, now, errNotThere)
		c.lose(errNotThere)
	case is == claimRevoked:
		c.traceRenewed(sent, now, errRevoked)
		c.owed = true // it may go back before its lease is over
		c.lose(errRevoked)
	default:
		waited := c.lease.From // it did then
		c.lease.From, c.paused = latest(c.lease.From, sent), paused
		c.traceRenewed(sent, now, nil)
		if is == claimHolds && c.state == queued { // the message of the grant was lost
			c.grant(true, now)
			c.info.Age = now.Sub(waited)
		}
	}
}

// expire ends a slot that can no longer be relied on. The engine may have it for a
// moment longer, and keeps it from others meanwhile: the job may not have seen yet
// that its context has ended. Caller holds Source.mu.
func (c *claim) expire() {
	c.owed = true
	c.lose(errNotRenewed)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// lose ends a slot that its claimant has. Caller holds Source.mu.
func (c *claim) lose(cause error) {
	c.end(c.src.wrap("hold", c.name, cause))
}

// giveUp ends a claim that nobody has a slot of. Caller holds Source.mu.
func (c *claim) giveUp(cause error) {
	switch c.state {
	case queued, granted:
		c.src.leave(c)
	case held, done:
		return
	}
	c.end(cause)
}

// end makes the claim done and tells whoever is concerned. Caller holds Source.mu.
func (c *claim) end(err error) {
	before := c.state
	c.state, c.err = done, err
	c.src.forget(c)
	if c.guard != nil {
		c.guard.Stop()
	}
	switch {
	case before == held || before == granted:
		c.src.later(func() { c.ctx.Cancel(err) })
	case c.to != nil:
		c.src.later(c.tellRefused)
	}
	c.wake()
}

// errNoneFree is what Try finds where no slot is free.
var errNoneFree = errors.New("no slot is free")
