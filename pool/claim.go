package pool

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/slot"
)

// wantClaim lists a group for which another slot should be claimed; the caller
// holds mu.
func (p *Pool) wantClaim(g *group) {
	if g.listed || !p.needsClaim(g) {
		return
	}
	g.listed = true
	p.wanting.push(g)
}

// needsClaim reports whether a group has a job that no claim is under way for.
// More claims than workers would be granted in vain, and while claims fail one
// at a time tells whether they still do. The caller holds mu.
func (p *Pool) needsClaim(g *group) bool {
	if g.pause != nil || g.asking > 0 && g.down.recent() {
		return false
	}
	return g.n > g.claims && g.claims < p.target
}

// nextGroup returns the group to claim for whose turn it is, or nil; the caller
// holds mu.
func (p *Pool) nextGroup() *group {
	for p.wanting.n > 0 {
		g := p.wanting.pop()
		g.listed = false
		if p.needsClaim(g) {
			return g
		}
		p.retireGroup(g)
	}
	return nil
}

// claimFor claims a slot for g, and returns its first job if the slot is
// granted at once. It is called with mu held, and unlocks it if it returns true.
func (p *Pool) claimFor(w *worker, g *group) (item, bool) {
	p.begin(g)
	g.asking++
	queue := p.inLine < p.cfg.maxClaims
	if queue {
		p.inLine++ // reserves the place; given back unless it is queued
	}
	p.passOn()
	p.unlock()
	c := claimed{at: time.Now(), err: errSourceGoexit}
	returned := false
	defer func() {
		if !returned {
			p.tellClaim(g, c)
			p.lock()
			p.asked(g, queue, c)
			p.claimFailed(g, c)
			p.unlock()
		}
	}()
	c = p.ask(g, queue, c.at)
	returned = true
	p.lock()
	p.asked(g, queue, c)
	switch {
	case c.err != nil:
		p.claimFailed(g, c)
	case c.ticket != nil:
		p.endFailures(g)
		p.park(g, c)
		p.wantClaim(g)
	case c.slot == nil:
		g.claims--
		p.pauseClaims(g) // none free, and no place in line to be had
	default:
		return p.bindClaimed(w, g, c)
	}
	return item{}, false
}

// asked takes note of what came of asking for a slot; the caller holds mu.
func (p *Pool) asked(g *group, queue bool, c claimed) {
	g.asking--
	if queue && c.ticket == nil {
		p.inLine--
	}
	g.line.contended, g.line.joined = c.ticket != nil, 0
}

// begin counts a claim that is about to be made for g; the caller holds mu.
func (p *Pool) begin(g *group) {
	g.claims++
	p.claims++
	p.wantClaim(g) // for the next worker, if there is a job more
}

// passOn sends for another worker if there is more to claim; the caller holds
// mu, and looks no further itself.
func (p *Pool) passOn() {
	p.calling = false
	if p.wanting.n > 0 {
		p.callWorker()
	}
}

// bindClaimed is called with mu held, and unlocks it if it returns true.
func (p *Pool) bindClaimed(w *worker, g *group, c claimed) (item, bool) {
	p.endFailures(g)
	h := c.hold
	p.adopt(h)
	g.claims--
	if g.n == 0 || p.grants.n > 0 {
		// Somebody else's turn, or nobody's: what was granted goes to the first
		// worker that is free, which may be this one.
		g.claims++
		p.offer(h)
		return item{}, false
	}
	return p.bind(w, h), true
}

// claimed is what came of asking for a slot: a slot, a ticket, an error, or
// nothing where only a free one was asked for.
type claimed struct {
	at     time.Time // when it was asked for
	slot   slot.Slot
	hold   *hold // of slot
	ticket slot.Ticket
	err    error
}

// ask makes the first phase of a claim, which waits for no holder of a slot.
func (p *Pool) ask(g *group, queue bool, at time.Time) (c claimed) {
	c.at = at
	ctx := p.claimCtx
	if p.hooks != nil {
		ctx = p.hooks.enqueue(ctx, SlotEvent{Key: g.key, Claimed: c.at})
	}
	c.slot, c.ticket, c.err = p.enter(ctx, g.key, queue)
	if c.slot != nil {
		c.hold, c.err = p.newHold(g, c.slot, c.at)
	}
	p.tellClaim(g, c)
	return c
}

// enter asks the source for a slot or a place in line.
func (p *Pool) enter(ctx context.Context, key string, queue bool) (s slot.Slot, t slot.Ticket, err error) {
	returned := false
	defer guard(&returned, func(failure error) {
		closeTicket(t)
		s, t, err = nil, nil, failure
	})
	if queue {
		s, t, err = p.takePlace(ctx, key, &t)
	} else {
		s, _, err = slot.Try(ctx, p.src, key)
	}
	returned = true
	return s, t, err
}

// takePlace takes a place in line, which it notes before it asks for the slot.
func (p *Pool) takePlace(ctx context.Context, key string, place *slot.Ticket) (slot.Slot, slot.Ticket, error) {
	t, err := p.src.Enqueue(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	if t == nil {
		return nil, nil, errors.New("pool: the slot source returned neither a ticket nor an error")
	}
	*place = t
	if granted, ok := t.Slot(); ok {
		return granted, nil, nil
	}
	return nil, t, nil
}

func (p *Pool) tellClaim(g *group, c claimed) {
	if p.hooks == nil {
		return
	}
	e := SlotEvent{Key: g.key, Claimed: c.at, Slot: c.slot, Err: c.err}
	switch {
	case c.err != nil:
		p.hooks.failed(e)
	case c.ticket != nil:
		p.hooks.queued(e)
	case c.slot != nil:
		p.hooks.granted(e)
	}
}
