package slottest

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/slot"
)

// This file checks what a source does whose engine says nothing for longer than a
// lease: its slots have ended by the time at which the engine grants them to
// somebody else.

// silencer returns the peer that claims while the source is cut off, or skips the
// check.
func (r *run) silencer() *run {
	r.Helper()
	switch {
	case r.Silence == nil:
		r.Skip("the harness cannot silence the engine")
	case r.Peer == nil || r.Heal == nil:
		r.Fatal("slottest: Harness.Silence needs a Peer, which claims meanwhile, and Heal, which ends it")
	}
	return r.peer()
}

// peer returns a run over the other source of the same slots. What is granted to
// either counts against one limit.
func (r *run) peer() *run {
	p := &run{TB: r.TB, Harness: r.Harness, rand: r.rand, held: r.held}
	p.Source = r.Peer
	return p
}

// lineUp takes as many places in line as there are slots.
func (r *run) lineUp() []waiter {
	r.Helper()
	line := make([]waiter, r.Limit)
	for i := range line {
		line[i] = r.waiting(context.Background(), r.queue())
	}
	return line
}

// checkGuard holds all slots in silence, until the peer was granted all of them.
func checkGuard(r *run) {
	peer := r.silencer()
	held := r.fill()
	line := peer.lineUp()
	r.Silence()
	var next []slot.Slot
	for _, w := range line {
		next = append(next, peer.grantOf(w)) // grantOf counts the contexts of both
	}
	r.Heal()
	r.allLost(held)
	peer.release(next...)
	r.release(r.fillAgain()...)
	r.allFree()
}

// checkLateGrant has the engine grant a slot in the silence, of which the source
// hears, if at all, when it is somebody else's.
func checkLateGrant(r *run) {
	peer := r.silencer()
	first := peer.fill()
	w := r.waiting(context.Background(), r.queue())
	line := peer.lineUp()
	r.settle()
	r.Silence()
	peer.release(first...)
	var next []slot.Slot
	for _, w := range line {
		next = append(next, peer.grantOf(w))
	}
	r.Heal()
	got, told := r.soon(w)
	if told {
		r.note(got) // beside the slots of the peer
	}
	peer.release(next...)
	if !told {
		got = r.outcome(w)
		r.note(got)
	}
	r.survived(got)
	r.release(r.fillAgain()...)
	r.allFree()
}

// soon returns what the waiter gets while the check watches.
func (r *run) soon(w waiter) (claimed, bool) {
	timer := time.NewTimer(5 * r.Settle)
	defer timer.Stop()
	select {
	case got := <-w:
		return got, true
	case <-timer.C:
		return claimed{}, false
	}
}

// note counts the slot of a claim, unless that has failed.
func (r *run) note(got claimed) {
	r.Helper()
	if got.err == nil {
		r.granted(got.slot)
	}
}

// survived gives back what a claim got over which the engine or the lease went
// away: a slot, or the news that the place in line is gone.
func (r *run) survived(got claimed) {
	r.Helper()
	switch {
	case got.err == nil:
		_, _ = await(r, got.slot.Release) // it may have been lost since
	case !errors.Is(got.err, slot.ErrUnavailable) && !errors.Is(got.err, slot.ErrLost):
		r.Errorf("Wait for a place in line that is gone: %v, neither ErrUnavailable nor ErrLost", got.err)
	}
}
