package slottest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berth-go/berth/slot"
)

// This file checks how claims and slots end: given up, released and lost.

var errGivenUp = errors.New("slottest: given up")

func checkCancel(r *run) {
	held := r.fill()
	for range 3 {
		ctx, cancel := context.WithCancelCause(context.Background())
		ticket := r.queue()
		w := r.waiting(ctx, ticket)
		r.settle()
		cancel(errGivenUp)
		if got := r.outcome(w); !errors.Is(got.err, errGivenUp) {
			r.Errorf("Wait returned (%v, %v), not the cause of its context", got.slot, got.err)
		}
		if got := r.outcome(r.waiting(context.Background(), ticket)); got.err == nil {
			r.Error("a ticket whose Wait failed was granted a slot")
		}
		if err := r.refusal(ctx, r.Key); !errors.Is(err, errGivenUp) {
			r.Errorf("Enqueue with an ended context returned %v, not its cause", err)
		}
	}
	r.release(held...)
	r.allFree()
}

// checkCancelRace releases a slot at the moment when the claim that waits for it
// is cancelled, in both orders and at the same time.
func checkCancelRace(r *run) {
	held := r.fill()
	for i := range 30 {
		ctx, cancel := context.WithCancelCause(context.Background())
		w := r.waiting(ctx, r.queue())
		release := func() { _ = held[0].Release() }
		giveUp := func() { cancel(errGivenUp) }
		switch i % 3 {
		case 0:
			release()
			giveUp()
		case 1:
			giveUp()
			release()
		case 2:
			var wg sync.WaitGroup
			wg.Go(release)
			wg.Go(giveUp)
			wg.Wait()
		}
		if got := r.outcome(w); got.err == nil {
			r.granted(got.slot)
			held = append(held[1:], got.slot)
		} else if !errors.Is(got.err, errGivenUp) {
			r.Fatalf("Wait: %v", got.err)
		} else {
			held = append(held[1:], r.claim())
		}
		giveUp()
	}
	r.release(held...)
	r.allFree()
}

func checkGrantOutlivesContext(r *run) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	first := r.outcome(r.waiting(ctx, r.enqueueWith(ctx)))
	if first.err != nil {
		r.Fatalf("Wait: %v", first.err)
	}
	held := []slot.Slot{first.slot}
	for range r.Limit - 1 {
		held = append(held, r.claim())
	}
	queued := r.enqueueWith(ctx)
	cancel(errGivenUp)
	r.settle()
	if err := first.slot.Context().Err(); err != nil {
		r.Errorf("the slot's context ended with that of its claim: %v", err)
	}
	r.release(held[0])
	held[0] = r.wait(queued) // Enqueue's context bounds that call alone
	r.release(held...)
}

func checkTicketClose(r *run) {
	held := r.fill()
	closeTwice := func(ticket slot.Ticket) {
		for range 2 {
			if err, ok := await(r, ticket.Close); !ok || err != nil {
				r.Errorf("Ticket.Close returned %v (in time: %t)", err, ok)
			}
		}
	}

	blocked := r.queue()
	w := r.waiting(context.Background(), blocked)
	r.settle()
	closeTwice(blocked)
	if got := r.outcome(w); got.err == nil {
		r.Error("Wait on a ticket that was closed meanwhile returned a slot")
	}

	unasked := r.queue()
	r.release(held[0])
	r.settle()
	closeTwice(unasked) // granted by now, and nobody has asked
	held[0] = r.claim()

	taken := r.queue()
	r.release(held[0])
	held[0] = r.wait(taken)
	closeTwice(taken)
	r.settle()
	if held[0].Context().Err() != nil {
		r.Error("closing a ticket took the slot from its holder")
	}
	r.release(held...)
	r.allFree()
}

func checkReleaseEnds(r *run) {
	for _, s := range r.fill() {
		if err := s.Context().Err(); err != nil {
			r.Errorf("the context of a held slot has ended: %v", context.Cause(s.Context()))
		}
		r.release(s)
		if s.Context().Err() == nil {
			r.Error("Release returned and the slot's context has not ended")
		}
		if cause := context.Cause(s.Context()); !errors.Is(cause, slot.ErrReleased) || errors.Is(cause, slot.ErrLost) {
			r.Errorf("the cause after Release is %v, not ErrReleased", cause)
		}
	}
}

func checkReleaseTwice(r *run) {
	held := r.fill()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { _ = held[0].Release() })
	}
	if _, ok := await(r, func() bool { wg.Wait(); return true }); !ok {
		r.Fatalf("four releases at once did not return within %v", r.Within)
	}
	r.release(held[0])
	held[0] = r.claim()
	w := r.waiting(context.Background(), r.queue())
	r.notGranted(w, "all slots are held")
	r.release(held[0])
	r.release(r.grantOf(w))
	r.release(held[1:]...)
	r.allFree()
}

func checkLoss(r *run) {
	if r.TakeAway == nil {
		r.Skip("slots that are taken away are not claimed")
	}
	held := r.fill()
	r.TakeAway(r.Key)
	r.allLost(held)
	r.allFree()
}

// allLost fails unless each slot ends in time, and its Release says that it was
// lost.
func (r *run) allLost(held []slot.Slot) {
	r.Helper()
	for _, s := range held {
		r.lost(s)
		if err, ok := await(r, s.Release); !ok || !errors.Is(err, slot.ErrLost) {
			r.Errorf("Release of a lost slot returned %v (in time: %t), not ErrLost", err, ok)
		}
	}
}

// lost fails unless the slot's context ends in time, with the cause ErrLost.
func (r *run) lost(s slot.Slot) {
	r.Helper()
	timer := time.NewTimer(r.Within)
	defer timer.Stop()
	select {
	case <-s.Context().Done():
		if cause := context.Cause(s.Context()); !errors.Is(cause, slot.ErrLost) {
			r.Errorf("the slot's context ended with %v, not ErrLost", cause)
		}
	case <-timer.C:
		r.Errorf("the slot was lost and its context did not end within %v", r.Within)
	}
}

func checkLossOrder(r *run) {
	if r.TakeAway == nil {
		r.Skip("slots that are taken away are not claimed")
	}
	held := r.fill()
	line := r.lineUp()
	r.TakeAway(r.Key)
	for i, w := range line {
		line[i] <- claimed{slot: r.grantOf(w)} // grantOf counts the contexts
	}
	for i, s := range held {
		r.lost(s)
		_ = s.Release()
		r.release((<-line[i]).slot)
	}
	r.allFree()
}

// checkLeaseEnd ends leases while as many claims wait as there are slots. Their
// places may have hung on the same lease.
func checkLeaseEnd(r *run) {
	if r.Expire == nil {
		r.Skip("the end of leases is not claimed")
	}
	held := r.fill()
	line := r.lineUp()
	r.Expire(r.Key)
	var ends []claimed
	for _, w := range line {
		got := r.outcome(w)
		r.note(got)
		ends = append(ends, got)
	}
	r.allLost(held)
	for _, got := range ends {
		r.survived(got)
	}
	r.release(r.fillAgain()...)
	r.allFree()
}

// checkAbandon lets others wait for slots that their holders will not release.
func checkAbandon(r *run) {
	if !r.Abandon {
		r.Skip("no abandoned slots are claimed")
	}
	held := r.fill()
	w := r.waiting(context.Background(), r.queue())
	for _, s := range held {
		a, ok := s.(slot.Abandoner)
		if !ok {
			r.Fatalf("a slot of type %T is no slot.Abandoner", s)
		}
		if _, ok := await(r, func() bool { a.Abandon(); a.Abandon(); return true }); !ok {
			r.Fatalf("Abandon did not return within %v", r.Within)
		}
	}
	next := r.grantOf(w) // grantOf counts the contexts
	for _, s := range held {
		r.lost(s)
		_ = s.Release()
	}
	r.release(next)
	r.allFree()
}

func checkBreak(r *run) {
	if r.Break == nil {
		r.Skip("the harness cannot break a connection")
	}
	held := r.fill()
	w := r.waiting(context.Background(), r.queue())
	r.settle()
	r.Break()
	if !r.Strict {
		for _, s := range held {
			r.lost(s)
		}
	}
	if r.Heal != nil {
		r.settle()
		r.Heal()
	}
	got, told := r.soon(w)
	if told {
		r.note(got) // beside what is held
	}
	for _, s := range held {
		err, _ := await(r, s.Release)
		if r.Strict && err != nil {
			r.Errorf("a broken connection has lost a slot that the harness says is strict: %v", err)
		}
	}
	// The claim that waited may have lost its place, or have been granted.
	if !told {
		got = r.outcome(w)
		r.note(got)
	}
	r.survived(got)
	r.release(r.fillAgain()...)
	r.allFree()
}

// fillAgain claims every slot, as a caller does whose claims can fail for a
// time. A claim that hangs fails the check.
func (r *run) fillAgain() []slot.Slot {
	r.Helper()
	var held []slot.Slot
	deadline := time.Now().Add(r.Within)
	for len(held) < r.Limit {
		got, ok := await(r, func() claimed {
			s, err := r.claimOnce(context.Background())
			return claimed{slot: s, err: err}
		})
		switch {
		case !ok:
			r.Fatalf("a claim neither got a slot nor failed within %v", r.Within)
		case got.err == nil:
			r.granted(got.slot)
			held = append(held, got.slot)
			continue
		case time.Now().After(deadline):
			r.Fatalf("for %v every claim has failed, the last with: %v", r.Within, got.err)
		}
		r.settle()
	}
	return held
}

// claimOnce makes a claim that has no limit of time of its own: one that hangs
// must not look like one that failed.
func (r *run) claimOnce(ctx context.Context) (slot.Slot, error) {
	ticket, err := r.Source.Enqueue(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	return ticket.Wait(ctx)
}
