package slottest

import (
	"context"

	"github.com/berth-go/berth/slot"
)

// This file checks sources whose claims have different limits.

// checkOwnLimits has two others claim beside the source: one with a limit of one
// more, and one with a limit of 1.
func checkOwnLimits(r *run) {
	if r.OwnLimits == nil {
		r.Skip("all claims must have the same limit")
	}
	more, one := r.OwnLimits(r.Limit+1), r.OwnLimits(1)
	r.others = append(r.others, more, one)

	held := r.fill()
	larger := r.waitingAt(more)
	r.notGranted(larger, "all slots are held by claims that were promised that those are all")
	r.release(held...)
	s := r.grantOf(larger)

	smaller := r.enqueueAt(context.Background(), one)
	small := r.waiting(context.Background(), smaller)
	r.notGranted(small, "its limit is 1 and a slot is held")
	behind := r.waitingAt(more)
	r.notGranted(behind, "a claim with a smaller limit waits in front of it, which it must not pass")
	if err, ok := await(r, smaller.Close); !ok || err != nil {
		r.Errorf("closing a queued ticket returned %v (in time: %t)", err, ok)
	}
	if got := r.outcome(small); got.err == nil {
		r.Error("Wait on a closed ticket returned a slot")
	}
	let := r.outcome(behind) // who leaves the line lets the next one go
	if let.err != nil {
		r.Fatalf("Wait: %v", let.err)
	}
	if err := r.held.add(let.slot, r.Limit+1); err != nil {
		r.Error(err)
	}
	r.release(s, let.slot)

	s = r.claimAt(one)
	next := r.waitingAt(more)
	r.notGranted(next, "a slot is held that was claimed with a limit of 1")
	r.release(s)
	r.release(r.grantOf(next))
	r.allFree()
}

// waitingAt waits for a slot that src cannot be granted yet.
func (r *run) waitingAt(src slot.Source) waiter {
	r.Helper()
	ticket := r.enqueueAt(context.Background(), src)
	if _, ok := ticket.Slot(); ok {
		r.Fatal("the limit of a claim is passed: another one was granted a slot beside it that is one too many for one of the two")
	}
	return r.waiting(context.Background(), ticket)
}
