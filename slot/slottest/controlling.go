package slottest

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/slot"
)

// This file checks pauses, and slots that are taken back.

// checkPause pauses the key while all of its slots are held.
func checkPause(r *run) {
	if !r.Control {
		r.Skip("the source cannot be paused")
	}
	held := r.fill()
	if err := slot.Pause(context.Background(), r.Source, r.Key, -1); err == nil {
		r.Error("a pause of a negative time was accepted")
	}
	r.pause(10 * r.Settle)
	r.pause(r.Settle) // of two pauses the one that ends last counts
	w := r.waiting(context.Background(), r.queue())
	r.release(held[0])
	r.notGranted(w, "the key is paused")
	for _, s := range held[1:] {
		if s.Context().Err() != nil {
			r.Error("a pause has ended a slot that was held")
		}
	}
	if st := r.inspect(); st.PausedUntil.Before(time.Now()) {
		r.Errorf("the key is paused, and Inspect says until %v", st.PausedUntil)
	}
	s := r.grantOf(w) // once the pause is over
	r.release(append(held[1:], s)...)

	r.pause(r.Within)
	r.pause(0)
	r.allFree()
	if st := r.inspect(); !st.PausedUntil.IsZero() {
		r.Errorf("nothing pauses the key any more, and Inspect says until %v", st.PausedUntil)
	}
}

func (r *run) pause(d time.Duration) {
	r.Helper()
	err, ok := await(r, func() error { return slot.Pause(context.Background(), r.Source, r.Key, d) })
	if !ok || err != nil {
		r.Fatalf("Pause for %v returned %v (in time: %t)", d, err, ok)
	}
}

// checkRevoke takes one of all slots back.
func checkRevoke(r *run) {
	if !r.Control {
		r.Skip("no slot can be taken back")
	}
	held := r.fill()
	w := r.waiting(context.Background(), r.queue())
	if err := r.revoke("none"); !errors.Is(err, slot.ErrNoHolder) {
		r.Errorf("Revoke with an ID that nobody has returned %v, not ErrNoHolder", err)
	}
	if err := r.revoke(r.inspect().Holders[0].ID); err != nil {
		r.Fatalf("Revoke returned %v", err)
	}
	s := held[0]
	r.lost(s)
	if cause := context.Cause(s.Context()); !errors.Is(cause, slot.ErrRevoked) {
		r.Errorf("the context of a slot that was taken back ended with %v, not ErrRevoked", cause)
	}
	for _, s := range held[1:] {
		if s.Context().Err() != nil {
			r.Error("another slot has ended than the one that was taken back")
		}
	}
	if err, ok := await(r, s.Release); !ok || !errors.Is(err, slot.ErrLost) {
		r.Errorf("Release of a slot that was taken back returned %v (in time: %t), not ErrLost", err, ok)
	}
	r.release(append(held[1:], r.grantOf(w))...)
	r.allFree()
}

func (r *run) revoke(id string) error {
	r.Helper()
	err, ok := await(r, func() error { return slot.Revoke(context.Background(), r.Source, r.Key, id) })
	if !ok {
		r.Fatalf("Revoke did not return within %v", r.Within)
	}
	return err
}
