package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/slot"
)

// ticket, place and grant are what the claimant sees of a claim.
type (
	ticket claim
	place  claim
	grant  claim
)

var (
	_ slot.Ticket    = (*ticket)(nil)
	_ slot.Liner     = (*ticket)(nil)
	_ slot.Place     = (*place)(nil)
	_ slot.Liner     = (*place)(nil)
	_ slot.Slot      = (*grant)(nil)
	_ slot.Abandoner = (*grant)(nil)
)

// Format names the ticket, whatever the verb.
func (t *ticket) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "redis ticket of %q", t.name) }

// Format names the place, whatever the verb.
func (p *place) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "redis place of %q", p.name) }

// Format names the slot, whatever the verb.
func (g *grant) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "redis slot of %q", g.name) }

// Slot returns the slot if it is granted.
func (t *ticket) Slot() (slot.Slot, bool) {
	c := (*claim)(t)
	c.src.lock()
	defer c.src.unlock()
	now := time.Now()
	if c.state != granted || c.lease.Over(now, now) {
		return nil, false
	}
	return c.take(now), true
}

// Wait blocks until the slot is granted.
func (t *ticket) Wait(ctx context.Context) (slot.Slot, error) {
	c := (*claim)(t)
	if err := c.await(ctx, c.settled); err != nil {
		return nil, c.src.wrap("wait", c.name, err)
	}
	return c.taken()
}

// taken hands the slot of a claim that is settled over.
func (c *claim) taken() (slot.Slot, error) {
	c.src.lock()
	defer c.src.unlock()
	now := time.Now()
	switch {
	case c.state == done:
		return nil, c.err
	case c.state == held:
		return nil, c.src.wrap("wait", c.name, errors.New("the slot was handed over before: a ticket has one"))
	case c.lease.Over(now, now):
		c.giveUp(c.src.wrap("wait", c.name, errUnasked))
		return nil, c.err
	}
	return c.take(now), nil
}

// Close leaves the line, or gives back a slot that was not taken.
func (t *ticket) Close() error {
	c := (*claim)(t)
	c.leave(c.src.wrap("wait", c.name, slot.ErrClosed))
	return nil
}

// Leave gives up the claim.
func (p *place) Leave() {
	c := (*claim)(p)
	c.leave(c.src.wrap("wait", c.name, slot.ErrClosed))
}

// Ahead returns how many waited in front when the claim joined the line.
func (t *ticket) Ahead() (int, bool) { return (*claim)(t).inFront() }

// Ahead returns how many waited in front when the claim joined the line.
func (p *place) Ahead() (int, bool) { return (*claim)(p).inFront() }

func (c *claim) inFront() (int, bool) {
	c.src.lock()
	defer c.src.unlock()
	return c.ahead, c.waited
}

// Context ends when the slot is lost or released.
func (g *grant) Context() context.Context { return &g.ctx }

// Release gives the slot back.
func (g *grant) Release() error {
	c := (*claim)(g)
	cause, mine := c.release()
	c.ctx.Cancel(cause) // before anybody else can be granted the slot
	if mine {
		c.src.giveBack(c)
	}
	if errors.Is(cause, slot.ErrLost) {
		return cause
	}
	return nil
}

// release ends the slot and returns with which cause, and whether this call is the
// one that has to give it back.
func (c *claim) release() (cause error, mine bool) {
	s := c.src
	s.lock()
	defer s.unlock()
	switch {
	case c.state == held:
		mine = true
		c.state, c.err = done, slot.ErrReleased
		c.guard.Stop()
		s.forget(c)
	case c.owed && !s.closing:
		c.owed, mine = false, true
	}
	if mine {
		s.returning++
	}
	return c.err, mine
}

// giveBack has the engine told that the slot is free.
func (s *Source) giveBack(c *claim) {
	s.lock()
	defer s.unlock()
	s.returning--
	s.leave(c)
}

// Abandon has the slot renewed no more.
func (g *grant) Abandon() {
	g.src.lock()
	defer g.src.unlock()
	g.abandoned = true
}

// Info describes the slot.
func (g *grant) Info() slot.Info {
	g.src.lock()
	defer g.src.unlock()
	info := g.info
	info.ExpiresAt = g.lease.Guard()
	info.PausedUntil = g.paused
	if g.src.cfg.durable {
		info.Strict, info.Fence = true, g.fence
	}
	return info
}
