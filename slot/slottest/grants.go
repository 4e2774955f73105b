package slottest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/berth-go/berth/slot"
)

// This file checks how many slots are granted, to whom and in which order.

func checkLimit(r *run) {
	held := r.fill()
	w := r.waiting(context.Background(), r.queue())
	r.notGranted(w, "all slots are held")
	r.release(held[0])
	r.release(r.grantOf(w))
	r.release(held[1:]...)
	r.allFree()
}

// checkStorm lets more goroutines than slots claim, cancel and release.
func checkStorm(r *run) {
	const rounds = 20
	r.Logf("seed %d", r.Seed)
	failed := make(chan error, rounds*(r.Limit+3))
	var wg sync.WaitGroup
	for range r.Limit + 3 {
		random := rand.New(rand.NewPCG(r.Seed, r.rand.Uint64()))
		wg.Go(func() {
			for range rounds {
				if err := r.stormRound(random); err != nil {
					failed <- err
				}
			}
		})
	}
	if _, ok := await(r, func() bool { wg.Wait(); return true }); !ok {
		r.Fatalf("%d claims did not end within %v", rounds*(r.Limit+3), r.Within)
	}
	close(failed)
	for err := range failed {
		r.Error(err)
	}
	r.allFree()
}

// stormRound claims a slot and gives it back, or gives up.
func (r *run) stormRound(random *rand.Rand) error {
	giveUp := random.IntN(3) == 0
	patience := time.Duration(random.IntN(int(r.Settle / 4)))
	ctx := context.Background()
	ticket, err := r.Source.Enqueue(ctx, r.Key)
	if err != nil {
		return err
	}
	s, ok := ticket.Slot()
	if !ok {
		if giveUp {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, patience)
			defer cancel()
		}
		if s, err = ticket.Wait(ctx); giveUp && errors.Is(err, context.DeadlineExceeded) {
			return nil
		} else if err != nil {
			return err
		}
	}
	defer s.Release()
	return r.held.add(s, r.Limit)
}

func checkEnqueue(r *run) {
	held := r.fill()
	tickets := []slot.Ticket{r.queue(), r.queue(), r.queue()}
	for _, ticket := range tickets {
		if err, ok := await(r, ticket.Close); !ok || err != nil {
			r.Errorf("closing a queued ticket returned %v (in time: %t)", err, ok)
		}
	}
	r.release(held...)
	r.allFree()
}

func checkInfo(r *run) {
	start := time.Now()
	first := r.claim()
	r.describes(first, start, false)
	held := []slot.Slot{first}
	for range r.Limit - 1 {
		held = append(held, r.claim())
	}
	ticket := r.queue()
	r.release(first)
	queued := r.wait(ticket)
	r.describes(queued, start, true)
	r.release(append(held[1:], queued)...)
}

func (r *run) describes(s slot.Slot, start time.Time, queued bool) {
	r.Helper()
	in, now := s.Info(), time.Now()
	if in.Key != r.Key {
		r.Errorf("Info.Key is %q after a claim of %q", in.Key, r.Key)
	}
	if in.Queued != queued {
		r.Errorf("Info.Queued is %t after a claim for which that is %t", in.Queued, queued)
	}
	if in.GrantedAt.Before(start) || in.GrantedAt.After(now) {
		r.Errorf("Info.GrantedAt is %v, not between %v and %v", in.GrantedAt, start, now)
	}
	if in.ConfirmedAt.Before(in.GrantedAt) || in.ConfirmedAt.After(now) {
		r.Errorf("Info.ConfirmedAt is %v, not between the grant at %v and %v", in.ConfirmedAt, in.GrantedAt, now)
	}
	if in.Strict != r.Strict {
		r.Errorf("Info.Strict is %t, the harness says %t", in.Strict, r.Strict)
	}
	if !in.ExpiresAt.IsZero() && !in.ExpiresAt.After(now) && s.Context().Err() == nil {
		r.Errorf("Info.ExpiresAt is %v, which has passed, and the context has not ended", in.ExpiresAt)
	}
}

func checkFence(r *run) {
	if !r.Fence || r.Limit != 1 {
		r.Skip("no fence of a limit of 1 is claimed")
	}
	last := uint64(0)
	rises := func(kind string, s slot.Slot) slot.Slot {
		r.Helper()
		if in := s.Info(); in.Fence <= last {
			r.Errorf("%s has fence %d after one with %d", kind, in.Fence, last)
		} else {
			last = in.Fence
		}
		return s
	}
	for range 3 {
		r.release(rises("a grant", r.claim()))
		held := rises("a grant", r.claim())
		for _, ticket := range []slot.Ticket{r.queue(), r.queue()} {
			r.release(held)
			held = rises("a grant from the line", r.wait(ticket))
		}
		r.release(held)
	}
	if r.Peer != nil {
		peer := r.peer()
		peer.release(rises("a grant of the peer", peer.claim()))
		r.release(rises("a grant after one of the peer", r.claim()))
	}
}

func checkOrder(r *run) {
	if !r.FIFO {
		r.Skip("order is not claimed")
	}
	held := r.fill()
	turns := make(waiter, 5) // one for all, so that whoever is granted is seen
	line := make(map[slot.Ticket]int)
	for place := range cap(turns) {
		ticket := r.queue()
		line[ticket] = place
		go func() {
			s, err := ticket.Wait(context.Background())
			turns <- claimed{s, err, ticket}
		}()
	}
	for place := range cap(turns) {
		r.release(held[0])
		got := r.outcome(turns)
		if got.err != nil {
			r.Fatalf("Wait: %v", got.err)
		}
		if at := line[got.ticket]; at != place {
			r.Errorf("place %d of the line was granted at the turn of place %d", at+1, place+1)
		}
		r.granted(got.slot)
		held = append(held[1:], got.slot)
	}
	r.release(held...)
}

// checkBarging lets newcomers try for each slot that comes free while somebody
// waits for it.
func checkBarging(r *run) {
	if !r.FIFO {
		r.Skip("order is not claimed")
	}
	held := r.fill()
	for range 10 {
		first := r.waiting(context.Background(), r.queue())
		r.release(held[0])
		if s, ok := r.try(); ok {
			r.Error("Try was granted a slot for which somebody waited")
			r.release(s)
		}
		newcomer := r.enqueue()
		if s, ok := newcomer.Slot(); ok {
			r.Error("a newcomer was granted a slot for which somebody waited")
			r.release(s)
		}
		held = append(held[1:], r.grantOf(first))
		if err := newcomer.Close(); err != nil {
			r.Errorf("closing a queued ticket: %v", err)
		}
	}
	r.release(held...)
}

// try is slot.Try, which must return in time.
func (r *run) try() (slot.Slot, bool) {
	r.Helper()
	got, ok := await(r, func() claimed {
		s, ok, err := slot.Try(context.Background(), r.Source, r.Key)
		if err == nil && ok != (s != nil) {
			err = errors.New("the slot and the result disagree")
		}
		return claimed{slot: s, err: err}
	})
	if !ok {
		r.Fatalf("Try did not return within %v", r.Within)
	}
	if got.err != nil {
		r.Fatalf("Try: %v", got.err)
	}
	return got.slot, got.slot != nil
}

func checkTry(r *run) {
	held := r.fill()
	for range 3 {
		if _, ok := r.try(); ok {
			r.Fatal("the limit is passed: with all slots held, Try was granted one")
		}
	}
	r.release(held...)
	r.allFree() // a try that failed must have left no place behind
	for deadline := time.Now().Add(r.Within); ; r.settle() {
		if s, ok := r.try(); ok {
			r.granted(s)
			r.release(s)
			break
		}
		if time.Now().After(deadline) {
			r.Fatalf("Try was granted nothing for %v while all slots were free", r.Within)
		}
	}
}

func checkBadKeys(r *run) {
	if len(r.BadKeys) == 0 {
		r.Skip("the harness names no bad keys")
	}
	for _, key := range r.BadKeys {
		if err := r.refusal(context.Background(), key); !errors.Is(err, slot.ErrKey) {
			r.Errorf("Enqueue of key %q: %v, not ErrKey", key, err)
		}
		if err := r.tryRefusal(key); !errors.Is(err, slot.ErrKey) {
			r.Errorf("Try of key %q: %v, not ErrKey", key, err)
		}
	}
	r.allFree()
}
