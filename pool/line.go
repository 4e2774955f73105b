package pool

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/slot"
)

// A line is where a group's claims wait for their slots: no worker does, and no
// goroutine where the source is a [slot.Joiner].
type line struct {
	places    int
	contended bool               // whoever asked last had to wait
	joined    int                // claims that were made since then without asking
	seats     map[*seat]struct{} // claims that the source has yet to tell of
	// ctx is what the others wait under, and leave gives them all up; nil while
	// there was none yet.
	ctx   context.Context
	leave context.CancelCauseFunc
}

// errUnneeded ends the wait of a claim that no job needs any more.
var errUnneeded = errors.New("pool: no job needs the slot any more")

// park leaves a ticket with a goroutine; the caller holds mu.
func (p *Pool) park(g *group, c claimed) {
	l := &g.line
	if l.ctx == nil {
		l.ctx, l.leave = context.WithCancelCause(p.claimCtx)
	}
	l.places++
	p.alive.Add(1)
	go p.awaitGrant(l.ctx, g, c)
	if g.n == 0 {
		p.unpark(g)
	}
}

// awaitGrant makes the second phase of a claim.
func (p *Pool) awaitGrant(ctx context.Context, g *group, c claimed) {
	defer p.alive.Done()
	got := claimed{at: c.at, err: errSourceGoexit}
	defer func() {
		p.tellClaim(g, got)
		p.lock()
		p.leaveLine(g, got)
		p.unlock()
	}()
	s, err := waitInLine(ctx, c.ticket)
	h := (*hold)(nil)
	if err == nil {
		h, err = p.newHold(g, s, c.at)
	}
	got.slot, got.hold, got.err = s, h, err
}

// leaveLine takes note of what has become of a claim that waited in line; the
// caller holds mu.
func (p *Pool) leaveLine(g *group, c claimed) {
	p.inLine--
	g.line.places--
	if c.err != nil {
		p.claimFailed(g, c)
	} else {
		p.endFailures(g)
		p.adopt(c.hold)
		p.offer(c.hold)
	}
	p.callWorker()
}

// waitInLine waits for a slot.
func waitInLine(ctx context.Context, t slot.Ticket) (s slot.Slot, err error) {
	returned := false
	defer guard(&returned, func(failure error) {
		closeTicket(t)
		s, err = nil, failure
	})
	s, err = t.Wait(ctx)
	returned = true
	if s == nil && err == nil {
		err = errors.New("pool: the slot source returned neither a slot nor an error")
	}
	return s, err
}

// unpark gives up the places of a group that has no job any more, unless one
// comes within the time for which a slot may be kept; the caller holds mu.
func (p *Pool) unpark(g *group) {
	if g.line.places == 0 || g.lingers {
		return
	}
	g.lingers = true
	p.delay(&delayed{at: time.Now().Add(p.patience()), then: func() {
		g.lingers = false
		if g.n == 0 {
			p.giveUpLine(g)
			p.retireGroup(g)
		}
	}})
}

// giveUpLine leaves every place. A claim that comes later waits under another
// context. The caller holds mu.
func (p *Pool) giveUpLine(g *group) {
	l := &g.line
	p.leaveSeats(l.seats)
	if l.ctx != nil {
		l.leave(errUnneeded)
		l.ctx, l.leave = nil, nil
	}
}
