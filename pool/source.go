package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/sourcegraph/conc/panics"

	"github.com/berth-go/berth/pool/internal/sched"
	"github.com/berth-go/berth/slot"
)

// This file stands between the core's claims and the source. A claim is made in
// one of two ways:
//
//	a worker asks, and has an answer after a round trip:
//	    a slot, a place in line, neither, or an error
//	a place is joined, and what becomes of it is told:
//	    by the source if it is a slot.Joiner, else by a goroutine that waits
//
// Whatever a source does, one answer reaches the core: where it panics or calls
// runtime.Goexit, that is a refusal. The second cannot be stopped where a source is
// called on the goroutine of a worker, so what has to follow is deferred, and
// another goroutine takes the worker over.

// errSourceGoexit is why a claim failed whose source ended the goroutine.
var errSourceGoexit = fmt.Errorf("%w: it called runtime.Goexit", ErrSourcePanic)

// errUnneeded ends the wait of a claim that no job needs any more.
var errUnneeded = fmt.Errorf("pool: no job needs the slot any more: %w", context.Canceled)

// An answer is what came of asking for a slot: a slot, a ticket, an error, or
// nothing where there was no slot.
type answer struct {
	slot   slot.Slot
	ticket slot.Ticket
	err    error
}

// ask has a worker ask for a slot as it was ordered to, and tell what came of it.
func (w *worker) ask() {
	h, queue := holdOf(w.order.Claim), w.order.Queue
	w.order = sched.Order[item]{} // it is not asked for twice, also if this goroutine ends
	got := answer{err: errSourceGoexit}
	defer func() { h.answered(got) }()
	got = h.ask(queue)
}

// ask asks the source for a slot, or for a place in line.
func (h *hold) ask(queue bool) (got answer) {
	ctx := h.p.claimCtx
	if h.p.hooks != nil {
		ctx = h.p.hooks.enqueue(ctx, h.event())
	}
	returned := false
	defer guard(&returned, func(failure error) {
		closeTicket(got.ticket)
		got = answer{err: failure}
	})
	if queue {
		h.takePlace(ctx, &got)
	} else {
		got.slot, _, got.err = slot.Try(ctx, h.p.src, h.key)
	}
	returned = true
	return got
}

// takePlace takes a place in line, which it notes before it asks for the slot.
func (h *hold) takePlace(ctx context.Context, got *answer) {
	t, err := h.p.src.Enqueue(ctx, h.key)
	switch {
	case err != nil:
		got.err = err
	case t == nil:
		got.err = errors.New("pool: the slot source returned neither a ticket nor an error")
	default:
		got.ticket = t
		if s, ok := t.Slot(); ok {
			got.slot, got.ticket = s, nil
		}
	}
}

// answered tells the core, and the hooks before it, what came of asking.
func (h *hold) answered(got answer) {
	switch {
	case got.err != nil:
		h.Refused(got.err)
	case got.slot != nil:
		h.Granted(got.slot)
	case got.ticket != nil:
		h.waits(got.ticket)
	default:
		h.p.lock()
		h.p.core.Busy(h.p.now(), h.claim)
		h.p.unlock()
	}
}

// waits takes note of a place in line, and has a goroutine wait there.
func (h *hold) waits(t slot.Ticket) {
	if h.p.hooks != nil {
		h.p.hooks.queued(h.event())
	}
	h.p.lock()
	h.p.alive++ // the goroutine that waits
	h.p.core.Waiting(h.p.now(), h.claim)
	h.p.unlock()
	h.stands(placeOf{t})
	go h.await(t)
}

// placeOf is the place of a ticket that a goroutine waits for.
type placeOf struct{ ticket slot.Ticket }

func (p placeOf) Leave()             { _ = p.ticket.Close() }
func (p placeOf) Ahead() (int, bool) { return slot.Ahead(p.ticket) }

// await waits for a slot.
func (h *hold) await(t slot.Ticket) {
	defer h.p.goroutineEnds()
	got := answer{err: errSourceGoexit}
	defer func() { h.answered(got) }()
	got = h.waitInLine(t)
}

func (h *hold) waitInLine(t slot.Ticket) (got answer) {
	returned := false
	defer guard(&returned, func(failure error) {
		closeTicket(t)
		got = answer{err: failure}
	})
	got.slot, got.err = t.Wait(h.p.claimCtx)
	returned = true
	if got.slot == nil && got.err == nil {
		got.err = errors.New("pool: the slot source returned neither a slot nor an error")
	}
	return got
}

// joinLine makes a claim that no worker waits for.
func (h *hold) joinLine() {
	if h.p.joiner == nil {
		h.p.spawn(h.enqueue)
		return
	}
	if place := h.join(h.p.joiner); place != nil {
		h.stands(place)
	}
}

// join leaves the claim to the source. If that fails, it has been refused.
func (h *hold) join(joiner slot.Joiner) (place slot.Place) {
	returned := false
	defer guard(&returned, h.Refused)
	place, err := joiner.Join(h.p.claimCtx, h.key, h)
	returned = true
	if place == nil && err == nil {
		err = errors.New("pool: the slot source returned neither a place nor an error")
	}
	if err != nil {
		h.Refused(err)
		return nil
	}
	return place
}

// enqueue takes a place in line and waits there.
func (h *hold) enqueue() {
	got := answer{err: errSourceGoexit}
	defer func() { h.answered(got) }()
	if got = h.ask(true); got.ticket == nil {
		return
	}
	if h.p.hooks != nil {
		h.p.hooks.queued(h.event())
	}
	t := got.ticket
	h.stands(placeOf{t})
	got = answer{err: errSourceGoexit}
	got = h.waitInLine(t)
}

// stands takes note of where the claim waits, and leaves it at once if no job
// needs it any more.
func (h *hold) stands(place slot.Place) {
	h.mu.Lock()
	h.place = place
	leave := h.leaving && !h.told
	h.mu.Unlock()
	if leave {
		h.leavePlace(place)
	}
}

// standsAt returns the claim's place in line, or nil.
func (h *hold) standsAt() slot.Place {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.place
}

// leave gives up the claim.
func (h *hold) leave() {
	h.mu.Lock()
	h.leaving = true
	place, told := h.place, h.told
	h.mu.Unlock()
	if place != nil && !told {
		h.leavePlace(place)
	}
}

// leavePlace leaves a place. A source that fails will tell nothing any more.
func (h *hold) leavePlace(place slot.Place) {
	contained(func() {
		returned := false
		defer guard(&returned, h.Refused)
		place.Leave()
		returned = true
	})
}

// Granted is called by the source, or instead of it.
func (h *hold) Granted(s slot.Slot) {
	if !h.tell() {
		quietly(s.Release) // the source failed before, and goes on all the same
		return
	}
	err := errSourceGoexit
	defer func() { h.ends(err) }()
	err = h.receive(s)
}

// Refused is called by the source, or instead of it.
func (h *hold) Refused(err error) {
	if h.tell() {
		h.ends(err)
	}
}

// tell returns false if it was known before what has become of the claim.
func (h *hold) tell() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := h.told
	h.told = true
	return !told
}

func (h *hold) isUnneeded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leaving || h.p.claimCtx.Err() != nil
}

// ends tells what has become of the claim: it has its slot, or failed.
func (h *hold) ends(err error) {
	p, unneeded := h.p, false
	if err != nil {
		if unneeded = h.isUnneeded(); unneeded {
			err = errUnneeded
		}
		h.err = err
	}
	h.tellHooks()
	p.lock()
	defer p.unlock()
	switch {
	case err == nil:
		h.claim.StartBy(h.startBy)
		p.core.Granted(p.now(), h.claim, h.single)
	case unneeded:
		p.core.Refused(p.now(), h.claim, false)
	default:
		p.refused(h)
	}
}

// event describes the claim to the hooks.
func (h *hold) event() SlotEvent {
	return SlotEvent{Key: h.key, Claimed: h.claimed, Slot: h.slot, Err: h.err}
}

func (h *hold) tellHooks() {
	switch {
	case h.p.hooks == nil:
	case h.err != nil:
		h.p.hooks.failed(h.event())
	default:
		h.p.hooks.granted(h.event())
	}
}

// refused tells the core of a claim that failed; the caller holds mu.
func (p *Pool) refused(h *hold) {
	p.failedClaims++
	final := isFinal(h.err)
	if final {
		p.refusedClaims++
	}
	p.core.Refused(p.now(), h.claim, final)
	if !final {
		p.noteTrouble(h)
	}
}

// isFinal reports whether trying again cannot help.
func isFinal(err error) bool { return slot.IsPermanent(err) || errors.Is(err, ErrSourcePanic) }

// sourcePanic is the error of a source that panicked.
func sourcePanic(value any) error {
	r := panics.NewRecovered(2, value)
	return fmt.Errorf("%w: %w", ErrSourcePanic, newPanicError(&r))
}

// guard is deferred around a call of a source, and calls failed unless that
// returned. After a panic whoever deferred it returns; a Goexit goes on.
func guard(returned *bool, failed func(error)) {
	if r := recover(); r != nil {
		failed(sourcePanic(r))
	} else if !*returned {
		failed(errSourceGoexit)
	}
}

// quietly calls a source that has failed before: what it does now tells nothing new.
func quietly(f func() error) {
	contained(func() {
		defer func() { _ = recover() }()
		_ = f()
	})
}

// closeTicket leaves the line for a claim that failed, if it is there.
func closeTicket(t slot.Ticket) {
	if t != nil {
		quietly(t.Close)
	}
}
