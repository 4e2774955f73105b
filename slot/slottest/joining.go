package slottest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berth-go/berth/slot"
)

// This file checks the sources that are slot.Joiners: what their claimants are
// told.

// A hearer is a claimant that keeps what it is told.
type hearer chan claimed

func newHearer() hearer { return make(hearer, 8) } // room for what must not be told

func (h hearer) Granted(s slot.Slot) { h <- claimed{slot: s} }
func (h hearer) Refused(err error)   { h <- claimed{err: err} }

// joiner returns the source as a slot.Joiner, or skips the check.
func (r *run) joiner() slot.Joiner {
	r.Helper()
	j, ok := r.Source.(slot.Joiner)
	if !ok {
		r.Skip("the source is no slot.Joiner")
	}
	return j
}

// join makes a claim that must not be refused at once.
func (r *run) join(j slot.Joiner) (hearer, slot.Place) {
	r.Helper()
	type result struct {
		place slot.Place
		err   error
	}
	h := newHearer()
	got, ok := await(r, func() result {
		place, err := j.Join(context.Background(), r.Key, h)
		return result{place, err}
	})
	switch {
	case !ok:
		r.Fatalf("Join did not return within %v", r.Within)
	case got.err != nil:
		r.Fatalf("Join: %v", got.err)
	case got.place == nil:
		r.Fatal("Join returned neither a place nor an error")
	}
	return h, got.place
}

// heard returns what the claimant is told, which has to be in time.
func (r *run) heard(h hearer) claimed {
	r.Helper()
	timer := time.NewTimer(r.Within)
	defer timer.Stop()
	select {
	case got := <-h:
		if got.err == nil && got.slot == nil {
			r.Fatal("the claimant was told neither of a slot nor of an error")
		}
		return got
	case <-timer.C:
		r.Fatalf("the claimant was told nothing for %v", r.Within)
		return claimed{}
	}
}

// toldOfGrant returns the slot that the claimant has to be told of in time.
func (r *run) toldOfGrant(h hearer) slot.Slot {
	r.Helper()
	got := r.heard(h)
	if got.err != nil {
		r.Fatalf("the claim was refused: %v", got.err)
	}
	r.granted(got.slot)
	return got.slot
}

// toldNoMore fails if a claimant is told something while the check watches.
func (r *run) toldNoMore(why string, hearers ...hearer) {
	r.Helper()
	r.settle()
	for _, h := range hearers {
		select {
		case got := <-h:
			r.Fatalf("a claimant was told (%v, %v) although %s", got.slot, got.err, why)
		default:
		}
	}
}

func checkJoin(r *run) {
	j := r.joiner()
	free, place := r.join(j)
	held := []slot.Slot{r.toldOfGrant(free)}
	place.Leave()
	r.toldNoMore("it was told before it left", free)
	if held[0].Context().Err() != nil {
		r.Error("Leave took the slot from its holder")
	}
	for range r.Limit - 1 {
		held = append(held, r.claim())
	}
	first, _ := r.join(j)
	r.toldNoMore("all slots are held", first)
	second, _ := r.join(j)
	r.release(held[0])
	held[0] = r.toldOfEither(&first, &second)
	r.toldNoMore("all slots are held", first)
	r.release(held[0])
	held[0] = r.toldOfGrant(first)
	r.toldNoMore("they were told before", free, first, second)
	r.release(held...)
	r.allFree()
}

// toldOfEither returns the slot that one of two claimants is told of. That one
// is second afterwards.
func (r *run) toldOfEither(first, second *hearer) slot.Slot {
	r.Helper()
	merged := newHearer()
	var which hearer
	timer := time.NewTimer(r.Within)
	defer timer.Stop()
	select {
	case got := <-*first:
		which = *first
		merged <- got
	case got := <-*second:
		which = *second
		merged <- got
	case <-timer.C:
		r.Fatalf("neither claimant was told of the slot for %v", r.Within)
	}
	if which == *first {
		*first, *second = *second, *first
	}
	return r.toldOfGrant(merged)
}

func checkJoinRefused(r *run) {
	j := r.joiner()
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errGivenUp)
	h := newHearer()
	if err := r.joinRefusal(ctx, j, r.Key, h); !errors.Is(err, errGivenUp) {
		r.Errorf("Join with an ended context returned %v, not its cause", err)
	}
	for _, key := range r.BadKeys {
		if err := r.joinRefusal(context.Background(), j, key, h); !errors.Is(err, slot.ErrKey) {
			r.Errorf("Join of key %q: %v, not ErrKey", key, err)
		}
	}
	r.toldNoMore("Join has returned an error", h)
	r.allFree()
}

// joinRefusal returns the error of a Join, in time.
func (r *run) joinRefusal(ctx context.Context, j slot.Joiner, key string, h hearer) error {
	r.Helper()
	err, ok := await(r, func() error { _, err := j.Join(ctx, key, h); return err })
	if !ok {
		r.Fatalf("Join did not return within %v", r.Within)
	}
	return err
}

func checkLeave(r *run) {
	j := r.joiner()
	held := r.fill()
	h, place := r.join(j)
	r.settle()
	for range 2 {
		if _, ok := await(r, func() bool { place.Leave(); return true }); !ok {
			r.Errorf("Leave did not return within %v", r.Within)
		}
	}
	if got := r.heard(h); !errors.Is(got.err, slot.ErrClosed) {
		r.Errorf("a claimant that left was told (%v, %v), not ErrClosed", got.slot, got.err)
	}
	r.toldNoMore("it was told before", h)
	r.release(held...)
	r.allFree()
}

// checkLeaveRace releases a slot at the moment when the claim that waits for it
// is given up.
func checkLeaveRace(r *run) {
	j := r.joiner()
	held := r.fill()
	for i := range 30 {
		h, place := r.join(j)
		if i%2 == 0 {
			r.settle()
		}
		var wg sync.WaitGroup
		wg.Go(func() { _ = held[0].Release() })
		wg.Go(place.Leave)
		wg.Wait()
		got := r.heard(h)
		switch {
		case got.err == nil:
			r.granted(got.slot)
			held = append(held[1:], got.slot)
		case errors.Is(got.err, slot.ErrClosed):
			held = append(held[1:], r.claim())
		default:
			r.Fatalf("a claimant that left was told %v", got.err)
		}
		select {
		case again := <-h:
			r.Fatalf("a claimant was told (%v, %v) and then (%v, %v)", got.slot, got.err, again.slot, again.err)
		default:
		}
	}
	r.release(held...)
	r.allFree()
}

func checkCloseTells(r *run) {
	j := r.joiner()
	held := r.fill()
	var hearers []hearer
	for range 3 {
		h, _ := r.join(j)
		hearers = append(hearers, h)
	}
	r.settle()
	if err, ok := await(r, func() error { return j.Close(context.Background()) }); !ok || err != nil {
		r.Errorf("Close returned %v (in time: %t)", err, ok)
	}
	for _, h := range hearers {
		// Close gives back what is held, so one of them may have been granted it.
		if got := r.heard(h); got.err != nil && !errors.Is(got.err, slot.ErrClosed) {
			r.Errorf("Close told a claimant %v, not ErrClosed", got.err)
		} else if got.err == nil && got.slot.Context().Err() == nil {
			r.Error("a slot that was granted during Close is still held after it")
		}
	}
	r.toldNoMore("they were told before", hearers...)
	h := newHearer()
	if err := r.joinRefusal(context.Background(), j, r.Key, h); err == nil {
		if got := r.heard(h); !errors.Is(got.err, slot.ErrClosed) {
			r.Errorf("a claim after Close was told (%v, %v), not ErrClosed", got.slot, got.err)
		}
	} else if !errors.Is(err, slot.ErrClosed) {
		r.Errorf("Join after Close returned %v, not ErrClosed", err)
	}
	for _, s := range held {
		if s.Context().Err() == nil {
			r.Error("Close has left a slot held")
		}
	}
}
