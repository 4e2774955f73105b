package slottest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/berth-go/berth/slot"
)

// A run is one check of one source. Its methods fail the test when the source
// does not do what they are named after.
type run struct {
	testing.TB
	Harness
	rand *rand.Rand // for the goroutine of the check alone
	held *holders   // what was granted, to the source and to its peer

	others []slot.Source // that the check made, and that are closed with the source
}

// await returns what f returns, or false if that takes too long. f must not
// call the testing.TB's FailNow, since it runs on another goroutine.
func await[T any](r *run, f func() T) (T, bool) {
	result := make(chan T, 1)
	go func() { result <- f() }()
	timer := time.NewTimer(r.Within)
	defer timer.Stop()
	select {
	case v := <-result:
		return v, true
	case <-timer.C:
		var none T
		return none, false
	}
}

// A claimed is the outcome of a call that may grant a slot.
type claimed struct {
	slot   slot.Slot
	err    error
	ticket slot.Ticket // where one channel serves many tickets
}

func (r *run) enqueue() slot.Ticket {
	r.Helper()
	return r.enqueueWith(context.Background())
}

func (r *run) enqueueWith(ctx context.Context) slot.Ticket {
	r.Helper()
	return r.enqueueAt(ctx, r.Source)
}

func (r *run) enqueueAt(ctx context.Context, src slot.Source) slot.Ticket {
	r.Helper()
	type result struct {
		ticket slot.Ticket
		err    error
	}
	got, ok := await(r, func() result {
		ticket, err := src.Enqueue(ctx, r.Key)
		return result{ticket, err}
	})
	switch {
	case !ok:
		r.Fatalf("Enqueue did not return within %v: it must not wait for the holders", r.Within)
	case got.err != nil:
		r.Fatalf("Enqueue: %v", got.err)
	case got.ticket == nil:
		r.Fatal("Enqueue returned neither a ticket nor an error")
	}
	return got.ticket
}

// refusal returns the error of an Enqueue that has to fail, in time.
func (r *run) refusal(ctx context.Context, key string) error {
	r.Helper()
	err, ok := await(r, func() error { _, err := r.Source.Enqueue(ctx, key); return err })
	if !ok {
		r.Fatalf("Enqueue did not return within %v", r.Within)
	}
	return err
}

// tryRefusal returns the error of a Try that has to fail, in time.
func (r *run) tryRefusal(key string) error {
	r.Helper()
	err, ok := await(r, func() error { _, _, err := slot.Try(context.Background(), r.Source, key); return err })
	if !ok {
		r.Fatalf("Try did not return within %v", r.Within)
	}
	return err
}

// queue enqueues a claim that cannot be granted yet.
func (r *run) queue() slot.Ticket {
	r.Helper()
	ticket := r.enqueue()
	if _, ok := ticket.Slot(); ok {
		r.Fatalf("the limit is passed: with all %d slots held, Enqueue was granted one", r.Limit)
	}
	return ticket
}

// claim returns a slot that has to be granted in time.
func (r *run) claim() slot.Slot {
	r.Helper()
	return r.claimAt(r.Source)
}

func (r *run) claimAt(src slot.Source) slot.Slot {
	r.Helper()
	ticket := r.enqueueAt(context.Background(), src)
	if s, ok := ticket.Slot(); ok {
		r.granted(s)
		return s
	}
	return r.wait(ticket)
}

// wait returns the slot of a ticket, which has to be granted in time.
func (r *run) wait(ticket slot.Ticket) slot.Slot {
	r.Helper()
	return r.grantOf(r.waiting(context.Background(), ticket))
}

// fill claims every slot there is.
func (r *run) fill() []slot.Slot {
	r.Helper()
	held := make([]slot.Slot, r.Limit)
	for i := range held {
		held[i] = r.claim()
	}
	return held
}

func (r *run) release(slots ...slot.Slot) {
	r.Helper()
	for _, s := range slots {
		err, ok := await(r, s.Release)
		if !ok {
			r.Fatalf("Release did not return within %v", r.Within)
		}
		if err != nil {
			r.Errorf("Release of a slot that was held: %v", err)
		}
	}
}

// A waiter is a goroutine that waits for a ticket.
type waiter chan claimed

func (r *run) waiting(ctx context.Context, ticket slot.Ticket) waiter {
	w := make(waiter, 1)
	go func() {
		s, err := ticket.Wait(ctx)
		w <- claimed{slot: s, err: err}
	}()
	return w
}

// outcome returns what the waiter got, which has to come in time.
func (r *run) outcome(w waiter) claimed {
	r.Helper()
	timer := time.NewTimer(r.Within)
	defer timer.Stop()
	select {
	case got := <-w:
		if got.err == nil && got.slot == nil {
			r.Fatal("Wait returned neither a slot nor an error")
		}
		return got
	case <-timer.C:
		r.Fatalf("Wait did not return within %v: a slot is lost, or Wait does not end", r.Within)
		return claimed{}
	}
}

// grantOf returns the slot that the waiter has to get in time.
func (r *run) grantOf(w waiter) slot.Slot {
	r.Helper()
	got := r.outcome(w)
	if got.err != nil {
		r.Fatalf("Wait: %v", got.err)
	}
	r.granted(got.slot)
	return got.slot
}

// notGranted fails if the waiter gets a slot while the check watches.
func (r *run) notGranted(w waiter, why string) {
	r.Helper()
	r.settle()
	select {
	case got := <-w:
		r.Fatalf("Wait returned (%v, %v) although %s", got.slot, got.err, why)
	default:
	}
}

// settle gives the source time to do what it should not do.
func (r *run) settle() { time.Sleep(r.Settle) }

// allFree fails unless the limit is what can be claimed: no slot was lost and
// none was made.
func (r *run) allFree() {
	r.Helper()
	held := r.fill()
	extra := r.queue()
	w := r.waiting(context.Background(), extra)
	r.notGranted(w, "all slots are held: one was made")
	if err := extra.Close(); err != nil {
		r.Errorf("closing a queued ticket: %v", err)
	}
	if got := r.outcome(w); got.err == nil {
		r.Error("Wait on a closed ticket returned a slot")
	}
	r.release(held...)
}

// granted notes a slot that was granted, and fails if that is one too many.
func (r *run) granted(s slot.Slot) {
	r.Helper()
	if err := r.held.add(s, r.Limit); err != nil {
		r.Error(err)
	}
}

// holders are the slots that were granted.
type holders struct {
	mu    sync.Mutex // guards slots
	slots []slot.Slot
}

// add notes a slot that has just been granted. All that are noted were granted
// before now, so those whose contexts have not ended by now are held at once.
func (h *holders) add(s slot.Slot, limit int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slots = append(h.slots, s)
	held := h.slots[:0]
	for _, s := range h.slots {
		if s.Context().Err() == nil {
			held = append(held, s)
		}
	}
	clear(h.slots[len(held):])
	h.slots = held
	if len(held) > limit {
		return fmt.Errorf("the limit is passed: %d slots whose contexts have not ended, at a limit of %d", len(held), limit)
	}
	return nil
}
