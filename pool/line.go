package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/berth-go/berth/slot"
)

// A parked claim is in line. A goroutine waits with it, and no worker.
type parked struct {
	ticket slot.Ticket
	cancel context.CancelCauseFunc
}

// errUnneeded ends the wait of a claim that no job needs any more.
var errUnneeded = errors.New("pool: no job needs the slot any more")

// park leaves a ticket with a goroutine; the caller holds mu.
func (p *Pool) park(g *group, c claimed) {
	ctx, cancel := context.WithCancelCause(p.claimCtx)
	pk := &parked{ticket: c.ticket, cancel: cancel}
	g.parked = append(g.parked, pk)
	p.alive.Add(1)
	go p.awaitGrant(ctx, g, pk, c)
	if g.n == 0 {
		p.unpark(g)
	}
}

// awaitGrant makes the second phase of a claim.
func (p *Pool) awaitGrant(ctx context.Context, g *group, pk *parked, c claimed) {
	defer p.alive.Done()
	defer pk.cancel(nil)
	if caught := panics.Try(func() { c.slot, c.err = pk.ticket.Wait(ctx) }); caught != nil {
		c.err = fmt.Errorf("%w: %w", ErrSourcePanic, newPanicError(caught))
	}
	c.ticket = nil
	if c.err == nil && c.slot == nil {
		c.err = errors.New("pool: the slot source returned neither a slot nor an error")
	}
	if c.err == nil {
		c.err = p.newHold(g, &c, true)
	}
	p.tellClaim(g, c)
	p.lock()
	p.inLine--
	for i, other := range g.parked {
		if other == pk {
			g.parked = append(g.parked[:i], g.parked[i+1:]...)
			break
		}
	}
	if c.err != nil {
		p.claimFailed(g, c)
	} else {
		g.down.answered()
		p.adopt(c.hold)
		p.offer(c.hold)
	}
	p.callWorker()
	p.unlock()
}

// unpark gives up the places of a group that has no job any more, unless one
// comes within the time for which a slot may be kept; the caller holds mu.
func (p *Pool) unpark(g *group) {
	if len(g.parked) == 0 || g.lingers {
		return
	}
	g.lingers = true
	p.delay(&delayed{at: time.Now().Add(p.patience()), then: func() {
		g.lingers = false
		if g.n == 0 {
			for _, pk := range g.parked {
				pk.cancel(errUnneeded)
			}
			p.retireGroup(g)
		}
	}})
}
