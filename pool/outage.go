package pool

import (
	"errors"
	"time"

	"github.com/berth-go/berth/slot"
)

// claimPause is the time between two tries to claim for one slot key after a
// try that failed: at most five a second.
const claimPause = 200 * time.Millisecond

// outageCaution is how long after a failed claim no two claims for one slot key
// are asked for at once, whatever the others have met meanwhile: a source that
// answers now and then is not tried more often than one that never does.
const outageCaution = time.Second

// An outage is what a group knows of its failed claims.
type outage struct {
	since time.Time // when the first of a row was begun; zero after a success
	last  time.Time // when the last one failed; zero once that no longer counts
}

// recent reports whether a claim has failed just now.
func (o *outage) recent() bool {
	if !o.last.IsZero() && time.Since(o.last) >= outageCaution {
		o.last = time.Time{}
	}
	return !o.last.IsZero()
}

// failing reports whether no claim of g has succeeded since one failed.
func (g *group) failing() bool { return !g.down.since.IsZero() }

// endFailures ends a row of failures; the caller holds mu.
func (p *Pool) endFailures(g *group) {
	if g.failing() {
		g.down.since = time.Time{}
		p.failing--
	}
}

// noteFailure counts a claim that failed for now; the caller holds mu.
func (p *Pool) noteFailure(g *group, began time.Time) {
	g.down.last = time.Now()
	if !g.failing() {
		g.down.since = began
		p.failing++
	}
}

// claimFailed deals with a claim that ended without a slot. It is called with
// mu held, and returns with mu held.
func (p *Pool) claimFailed(g *group, c claimed) {
	g.claims--
	g.line.contended = false // the next one asks
	switch {
	case errors.Is(c.err, errUnneeded) || p.claimCtx.Err() != nil:
		p.wantClaim(g) // a job may have come meanwhile
		p.retireGroup(g)
		return
	case isFinal(c.err):
		p.failedClaims++
		p.refusedClaims++
		p.failGroup(g, c.err)
		return
	}
	p.failedClaims++
	p.noteFailure(g, c.at)
	if d := p.cfg.failAfter; d > 0 && time.Since(g.down.since) >= d {
		p.failGroup(g, c.err)
		return
	}
	p.noteTrouble(g, c.err)
	p.pauseClaims(g)
}

// isFinal reports whether trying again cannot help.
func isFinal(err error) bool { return slot.IsPermanent(err) || errors.Is(err, ErrSourcePanic) }

// pauseClaims puts off the next claim of a group; the caller holds mu.
func (p *Pool) pauseClaims(g *group) {
	if g.pause != nil {
		return
	}
	g.pause = &delayed{at: time.Now().Add(claimPause), then: func() {
		g.pause = nil
		p.wantClaim(g)
		p.retireGroup(g)
	}}
	p.delay(g.pause)
}

// failGroup ends every queued job of a group with err. It is called with mu
// held, and returns with mu held.
func (p *Pool) failGroup(g *group, err error) {
	var items []item
	for g.n > 0 {
		it, _ := p.takeFrom(g)
		items = append(items, it)
	}
	p.retireGroup(g)
	p.unlock()
	for _, it := range items {
		p.fail(it, err)
	}
	p.tellWaiters()
	p.lock()
}

// fail ends a job that was taken from its lane without running it.
func (p *Pool) fail(it item, err error) {
	if it.task == nil {
		p.countFailure(err, &p.others)
		p.report(err)
		p.others.finish()
		return
	}
	if it.task.take() {
		p.finish(it.task, it.task.parent(), err, false, &p.others)
	}
}
