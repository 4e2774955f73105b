package dflockd

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/slot"
)

// This file has what a Semaphore or Lock does once it has its slot.

// Release gives the slot back and closes the connection. It waits for the
// server's answer for at most a second. It returns [ErrClosed] if nothing is
// open, [ErrNotHeld] while the slot is not granted, and slot.ErrLost if the
// slot was lost before.
func (h *holder) Release() error {
	e, cl := h.current()
	if cl == nil {
		return h.closed("release")
	}
	if err := cl.releasable(); err != nil {
		return err
	}
	err := (*grant)(cl).Release()
	closeErr := h.shut(e, true)
	switch {
	case err != nil:
		return err
	case closeErr != nil:
		return cl.failed("release", unavailable(closeErr))
	case cl.wasUnheard():
		return cl.failed("release", mark(slot.ErrLost, errNotOurs))
	}
	return nil
}

// releasable returns why the claim has no slot to release, or nil.
func (cl *claim) releasable() error {
	cl.e.lock()
	defer cl.e.unlock()
	switch {
	case cl.stage == stageHeld:
		return nil
	case cl.stage != stageDone:
		return cl.wrap("release", ErrNotHeld)
	case lostError(cl.err):
		return cl.err
	default:
		return cl.wrap("release", ErrClosed)
	}
}

func (cl *claim) over() bool {
	cl.e.lock()
	defer cl.e.unlock()
	return cl.stage == stageDone && !lostError(cl.err) && !errors.Is(cl.err, slot.ErrUnavailable)
}

func (cl *claim) wasUnheard() bool {
	cl.e.lock()
	defer cl.e.unlock()
	return cl.unheard
}

func (cl *claim) failed(op string, err error) error {
	cl.e.lock()
	defer cl.e.unlock()
	return cl.wrap(op, err)
}

func (h *holder) closed(op string) error { return &Error{Op: op, Key: h.key, Err: ErrClosed} }

// Close closes the connection without releasing: a server frees the slot when
// it notices, a strict one when the lease ends. A place in line is given up.
// Close is idempotent, may be called at any time from anywhere, and returns
// within a second.
func (h *holder) Close() error {
	e, _ := h.current()
	if e == nil {
		return nil
	}
	return h.shut(e, false)
}

// Key returns the name of the semaphore or lock.
func (h *holder) Key() string { return h.key }

// Token returns the token of the slot that is held, or "". Whoever has it can
// release the slot: do not log it.
func (h *holder) Token() string {
	_, cl := h.current()
	if cl == nil {
		return ""
	}
	cl.e.lock()
	defer cl.e.unlock()
	if cl.stage != stageHeld {
		return ""
	}
	return string(cl.token.AppendTo(nil))
}

// Fence returns the fencing token of the slot that is held: of two grants of a
// lock, the later one has the higher one. It is 0 where the server has none.
func (h *holder) Fence() uint64 {
	_, cl := h.current()
	if cl == nil || h.Token() == "" {
		return 0
	}
	return (*grant)(cl).Info().Fence
}

// Lease returns the lease of the last slot that was granted, as the server
// told it, or 0.
func (h *holder) Lease() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lease
}

// Context ends with the slot: with cause slot.ErrLost when it is lost, and
// slot.ErrReleased after Release. Without a slot it has ended, with cause
// [ErrNotHeld].
func (h *holder) Context() context.Context {
	_, cl := h.current()
	if cl == nil || !cl.hasSlot() {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(h.notHeld())
		return ctx
	}
	return (*grant)(cl).Context()
}

func (h *holder) notHeld() error { return &Error{Op: "hold", Key: h.key, Err: ErrNotHeld} }

// hasSlot reports whether the claim has, or had, a slot.
func (cl *claim) hasSlot() bool {
	cl.e.lock()
	defer cl.e.unlock()
	return cl.taken
}
