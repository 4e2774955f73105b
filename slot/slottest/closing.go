package slottest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berth-go/berth/slot"
)

// This file checks that a source can be closed at any time.

func checkCloseHeld(r *run) {
	held := r.fill()
	r.close()
	for _, s := range held {
		r.endedByClose(s)
		if _, ok := await(r, s.Release); !ok {
			r.Errorf("Release after Close did not return within %v", r.Within)
		}
	}
	r.refuses()
	if r.Peer == nil {
		return
	}
	peer := r.peer()
	peer.release(peer.fill()...)
}

// close closes the source, twice at the same time.
func (r *run) close() {
	r.Helper()
	errs := make(chan error, 2)
	for range 2 {
		go func() { errs <- r.Source.Close(context.Background()) }()
	}
	for range 2 {
		if err, ok := await(r, func() error { return <-errs }); !ok || err != nil {
			r.Fatalf("Close returned %v (in time: %t)", err, ok)
		}
	}
}

// endedByClose fails unless Close has taken the slot from its holder.
func (r *run) endedByClose(s slot.Slot) {
	r.Helper()
	if s.Context().Err() == nil {
		r.Error("Close returned and the context of a held slot has not ended")
	}
	if cause := context.Cause(s.Context()); !errors.Is(cause, slot.ErrLost) {
		r.Errorf("Close ended the context of a held slot with %v, not ErrLost", cause)
	}
}

// refuses fails unless the source, which is closed, grants nothing more.
func (r *run) refuses() {
	r.Helper()
	if err := r.refusal(context.Background(), r.Key); !errors.Is(err, slot.ErrClosed) {
		r.Errorf("Enqueue after Close returned %v, not ErrClosed", err)
	}
	if err := r.tryRefusal(r.Key); !errors.Is(err, slot.ErrClosed) {
		r.Errorf("Try after Close returned %v, not ErrClosed", err)
	}
}

func checkCloseWaits(r *run) {
	held := r.fill()
	unasked := r.queue() // granted before Close, and nobody has asked for it
	blocked := r.waiting(context.Background(), r.queue())
	parked := r.queue()
	r.release(held[0])
	r.settle()
	r.close()
	if got := r.outcome(blocked); !errors.Is(got.err, slot.ErrClosed) {
		r.Errorf("Close ended a Wait with (%v, %v), not ErrClosed", got.slot, got.err)
	}
	for _, ticket := range []slot.Ticket{unasked, parked} {
		got := r.outcome(r.waiting(context.Background(), ticket))
		if got.err == nil && got.slot.Context().Err() == nil {
			r.Error("Wait after Close returned a slot whose context has not ended")
		}
		if _, ok := await(r, ticket.Close); !ok {
			r.Errorf("Ticket.Close after Close did not return within %v", r.Within)
		}
	}
	for _, s := range held[1:] {
		r.endedByClose(s)
	}
	r.refuses()
}

// checkCloseStorm closes the source in the middle of many claims. Nothing but
// Close ends them.
func checkCloseStorm(r *run) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	for range r.Limit + 3 {
		wg.Go(func() {
			for {
				s, err := r.claimOnce(ctx)
				if err != nil {
					return
				}
				_ = s.Release()
				time.Sleep(r.Settle / 20) // lets the time of a bubble go on
			}
		})
	}
	r.settle()
	r.close()
	if _, ok := await(r, func() bool { wg.Wait(); return true }); !ok {
		r.Fatalf("claims did not end within %v of Close", r.Within)
	}
	r.refuses()
}
