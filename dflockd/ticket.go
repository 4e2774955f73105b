package dflockd

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-go/berth/slot"
)

// ticket and grant are what the claimant sees of a claim.
type (
	ticket claim
	grant  claim
)

var (
	_ slot.Ticket = (*ticket)(nil)
	_ slot.Slot   = (*grant)(nil)

	_ slot.Liner = (*ticket)(nil)
	_ slot.Liner = (*joined)(nil)
)

// Format hides the token, whatever the verb.
func (t *ticket) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "dflockd ticket of %q", t.name) }

// Format hides the token, whatever the verb.
func (g *grant) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "dflockd slot of %q", g.name) }

// Slot returns the slot if it is granted.
func (t *ticket) Slot() (slot.Slot, bool) {
	cl := (*claim)(t)
	cl.e.lock()
	defer cl.e.unlock()
	if !cl.takeable() {
		return nil, false
	}
	return cl.take(), true
}

// Wait blocks until the slot is granted.
func (t *ticket) Wait(ctx context.Context) (slot.Slot, error) {
	cl := (*claim)(t)
	cl.e.lock()
	defer cl.e.unlock()
	err := cl.e.await(ctx, cl, (*claim).settled)
	if err != nil {
		cl.abandon(err, time.Now())
		return nil, cl.wrap("wait", err)
	}
	if !cl.takeable() {
		return nil, cl.gone()
	}
	return cl.take(), nil
}

// Close leaves the line, or gives back a slot that was not taken.
func (t *ticket) Close() error {
	cl := (*claim)(t)
	cl.e.lock()
	defer cl.e.unlock()
	if cl.owner == ownerWaits {
		cl.abandon(ErrClosed, time.Now())
		cl.signal()
	}
	return nil
}

// Ahead returns how many claims were in line in front of this one when it joined
// the line, where the server tells: one of this module does.
func (t *ticket) Ahead() (int, bool) { return (*claim)(t).ahead() }

func (cl *claim) ahead() (int, bool) {
	cl.e.lock()
	defer cl.e.unlock()
	return int(max(0, cl.place-1)), cl.place > 0
}

// settled reports whether a claim waits no more. Caller holds endpoint.mu.
func (cl *claim) settled() bool {
	return cl.stage.settled() || cl.abandoned != nil
}

// takeable reports whether there is a slot for the ticket's owner. Caller
// holds endpoint.mu.
func (cl *claim) takeable() bool { return cl.stage == stageHeld && cl.abandoned == nil }

// take hands the slot over. Caller holds endpoint.mu.
func (cl *claim) take() *grant {
	if cl.owner == ownerWaits {
		cl.owner = ownerHas
		cl.noteBegin()
		cl.conn.arm(cl.beatAt) // it was not renewed before
		cl.e.recycle(cl)
	}
	return (*grant)(cl)
}

// gone returns why there is no slot. Caller holds endpoint.mu.
func (cl *claim) gone() error {
	if cl.abandoned != nil {
		return cl.wrap("wait", cl.abandoned)
	}
	return cl.err
}

// Context ends when the slot is lost or released.
func (g *grant) Context() context.Context {
	cl := (*claim)(g)
	cl.e.lock()
	defer cl.e.unlock()
	return cl.context()
}

// Release gives the slot back.
func (g *grant) Release() error {
	cl := (*claim)(g)
	cl.e.lock()
	defer cl.e.unlock()
	if cl.stage == stageHeld {
		cl.release(slot.ErrReleased, time.Now())
	}
	if lostError(cl.err) {
		return cl.err
	}
	return nil
}

// Info describes the slot.
func (g *grant) Info() slot.Info {
	cl := (*claim)(g)
	cl.e.lock()
	defer cl.e.unlock()
	info := slot.Info{
		Key:         cl.key,
		Limit:       int(cl.limit),
		GrantedAt:   cl.granted,
		ConfirmedAt: cl.confirmed,
		Queued:      cl.queued,
		Strict:      cl.conn.strict,
		ExpiresAt:   cl.lease.Guard(),
	}
	info.Fence = cl.fence()
	if cl.paused > 0 {
		info.PausedUntil = cl.e.born.Add(cl.paused)
	}
	return info
}

// fence returns the slot's fencing token, or 0 where the server has none. Caller
// holds endpoint.mu.
func (cl *claim) fence() uint64 {
	if cl.conn.features.Fence || cl.e.cfg.fence {
		return cl.token.Fence()
	}
	return 0
}

func (cl *claim) traceGranted(now time.Time) {
	cl.granted = now
	if cl.trace != nil && cl.trace.Granted != nil {
		cl.e.callLater("slot.Trace.Granted", func() { cl.trace.Granted(now) })
	}
}

func (cl *claim) traceRenewed(x exchange, now time.Time, err error) {
	if cl.trace != nil && cl.trace.Renewed != nil {
		cl.e.callLater("slot.Trace.Renewed", func() { cl.trace.Renewed(now.Sub(x.sent), err) })
	}
}
