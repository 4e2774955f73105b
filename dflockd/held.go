package dflockd

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// This file has what a Semaphore or Lock does once it has its slot, and what it
// tells of it.

// Release gives the slot back and closes the connection. It waits until the server
// says that it has the slot back, for at most a second; if the connection breaks
// meanwhile, it asks again over another. It returns slot.ErrUnavailable if that
// second has passed: then the error says until when the slot may stay held, and
// the release is tried further in the background until then, or until Close. A
// place in line is given up, and a slot that was granted meanwhile goes back.
//
// It returns [ErrClosed] if nothing is open, and slot.ErrLost if the slot was lost
// before. A call that comes while another releases waits for the same answer.
func (h *holder) Release() error {
	h.e.lock()
	cl := h.claim
	h.e.unlock()
	return h.release(cl)
}

func (h *holder) release(cl *claim) error {
	h.e.lock()
	defer h.e.unlock()
	switch cl.phase() {
	case phaseIdle, phaseClosed:
		return h.closed("release")
	case phaseLost:
		if lostError(cl.err) {
			return cl.err
		}
		return h.closed("release")
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), closeTimeout, errClose)
	defer cancel()
	now := time.Now()
	cl.calls.release++
	if cl.stage == stageHeld && cl.owner == ownerHas {
		cl.release(slot.ErrReleased, now)
	} else if cl.stage != stageDone {
		cl.abandon(ErrClosed, now)
	}
	cl.signal()
	_ = h.e.await(ctx, cl, (*claim).left)
	cl.calls.release--
	return cl.released(now)
}

// released returns what became of the release that began at the given time. Caller
// holds endpoint.mu.
func (cl *claim) released(began time.Time) error {
	switch {
	case cl.owner != ownerHas || cl.back == handbackReturned:
		return nil
	case cl.back == handbackDenied:
		return cl.wrap("release", errs.Lost(errNotOurs))
	default:
		until := began.Add(cl.lease.Length).Format(time.RFC3339)
		return cl.wrap("release", errs.Unavailable(fmt.Errorf("the server did not say that it has the slot back: it may stay held until %s", until)))
	}
}

// closed is for a call that needs what is not there: it was closed, or never opened.
func (h *holder) closed(op string) error {
	text := "there is no place in line: call Enqueue first"
	if op == "release" {
		text = "no slot is held: it was never acquired, or is released or closed already"
	}
	return &Error{Engine: engine, Op: op, Key: h.key, Err: errs.InWords(text, ErrClosed)}
}

// Close closes the connection without releasing a slot that is held: a server frees
// it when it notices, a strict one when the lease ends. The slot's context ends with
// cause [ErrClosed]. A place in line is given up, and so is a slot that nobody was
// told of: it goes back, if need be after Close has returned, since the original
// server in strict mode keeps a place until the wait for it is over. What a server
// that hangs does not answer within the second is cut.
//
// Close is idempotent, may be called at any time from anywhere, and returns
// within a second. It always returns nil. The Semaphore or Lock can be used again.
func (h *holder) Close() error {
	h.e.lock()
	defer h.e.unlock()
	cl := h.claim
	if cl == nil {
		return nil
	}
	cl.drop(time.Now())
	ctx, cancel := context.WithTimeoutCause(context.Background(), closeTimeout, errClose)
	defer cancel()
	if h.e.await(ctx, cl, (*claim).left) != nil {
		cl.cutHung(time.Now())
	}
	return nil
}

// Format names the semaphore or lock, whatever the verb: what it has is used by others
// meanwhile.
func (h *holder) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "dflockd semaphore or lock %q", h.key) }

// Key returns the name of the semaphore or lock.
func (h *holder) Key() string { return h.key }

// has returns the claim whose slot is held, or nil. Caller holds endpoint.mu.
func (h *holder) has() *claim {
	if cl := h.claim; cl != nil && cl.stage == stageHeld && cl.owner == ownerHas {
		return cl
	}
	return nil
}

// Token returns the token of the slot that is held, or "". Whoever has it can
// release the slot: do not log it.
func (h *holder) Token() string {
	h.e.lock()
	defer h.e.unlock()
	if cl := h.has(); cl != nil {
		return string(cl.token.AppendTo(nil))
	}
	return ""
}

// Fence returns the fencing token of the slot that is held: of two grants of a
// lock, the later one has the higher one. It is 0 without a slot, and where the
// server has none.
func (h *holder) Fence() uint64 {
	h.e.lock()
	defer h.e.unlock()
	if cl := h.has(); cl != nil {
		return cl.fence()
	}
	return 0
}

// Lease returns the lease of the slot that is held, as the server told it, or 0.
func (h *holder) Lease() time.Duration {
	h.e.lock()
	defer h.e.unlock()
	if cl := h.has(); cl != nil {
		return cl.lease.Length
	}
	return 0
}

// Context ends with the slot: with cause slot.ErrLost when it is lost,
// slot.ErrReleased after Release, and [ErrClosed] after Close or Force. Where there
// was no slot since the last Acquire or Enqueue, it has ended with cause
// [ErrNotHeld].
func (h *holder) Context() context.Context {
	h.e.lock()
	defer h.e.unlock()
	if cl := h.claim; cl != nil && cl.owner == ownerHas {
		return cl.context()
	}
	return h.none
}
