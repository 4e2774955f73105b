package stacktest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// TestGrantsOfAllMachinesFollowOneLine has machines claim slots at random
// times, and leave the line at random.
func TestGrantsOfAllMachinesFollowOneLine(t *testing.T) {
	seed := faultnet.Seed(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, immediate, 2, 10*time.Second)
		defer w.close()
		var mu sync.Mutex
		var claims []check.Claim
		var claimants sync.WaitGroup
		for i := range 5 {
			machine := fmt.Sprint("machine-", i)
			src := w.source(machine)
			defer func() { require.NoError(t, src.Close(context.Background())) }()
			for j := range 6 {
				rng := rand.New(rand.NewPCG(seed, uint64(10*i+j)))
				claimants.Go(func() {
					for k := range 40 {
						rest(t.Context(), time.Duration(rng.Int64N(int64(5*time.Second))))
						c := claimOnLine(t, src, rng)
						c.ID = fmt.Sprint(machine, "-", j, "-", k)
						mu.Lock()
						claims = append(claims, c)
						mu.Unlock()
					}
				})
			}
		}
		claimants.Wait()
		require.Len(t, claims, 5*6*40)
		require.Emptyf(t, check.OutOfOrder(claims), "seed %d", seed)
	})
}

// claimOnLine claims a slot, holds it for a moment, and says when what happened.
func claimOnLine(t *testing.T, src slot.Source, rng *rand.Rand) check.Claim {
	c := check.Claim{Key: "k", Sent: time.Now()}
	ticket, err := src.Enqueue(t.Context(), "k")
	require.NoError(t, err)
	c.Answered = time.Now()
	patience := time.Hour
	if rng.IntN(4) == 0 {
		patience = time.Duration(rng.Int64N(int64(3 * time.Second)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := ticket.Wait(ctx)
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		c.Left = true
		return c
	}
	c.Granted = s.Info().GrantedAt
	rest(t.Context(), time.Duration(rng.Int64N(int64(300*time.Millisecond))))
	require.NoError(t, s.Release())
	return c
}

// TestSlotOfAVanishedMachineIsFreeAfterItsLease takes a machine that holds a
// slot off the network, with and without a word.
func TestSlotOfAVanishedMachineIsFreeAfterItsLease(t *testing.T) {
	for _, m := range []mode{immediate, strict} {
		for _, silent := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v silent=%v", m, silent), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, m, 1, 8*time.Second)
					defer w.close()
					time.Sleep(w.lease) // the grace of a strict server
					dead, other := w.source("dead"), w.source("other")
					_, err := dead.Enqueue(t.Context(), "k")
					require.NoError(t, err)
					time.Sleep(time.Minute)
					gone := time.Now()
					w.net.Set("dead", faultnet.Conditions{HoldUp: true, HoldDown: true})
					if !silent {
						w.net.Reset("dead")
					}
					s := waitFor(t, other, "k")
					took := s.Info().GrantedAt.Sub(gone)
					if m == immediate && !silent {
						require.Zero(t, took)
					} else {
						require.LessOrEqual(t, took, w.lease+time.Second)
					}
					_ = dead.Close(t.Context()) // it cannot release
					require.NoError(t, errors.Join(s.Release(), other.Close(t.Context())))
				})
			})
		}
	}
}

func waitFor(t *testing.T, src slot.Source, key string) slot.Slot {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), longWait, errInVain)
	defer cancel()
	ticket, err := src.Enqueue(ctx, key)
	require.NoError(t, err)
	s, err := ticket.Wait(ctx)
	require.NoError(t, err)
	return s
}

// longWait is how long a test waits in a bubble for what it needs. It is far
// longer than anything takes, and short enough that a test which waits in vain
// fails by itself: what renews leases and tries again never comes to rest.
const longWait = time.Minute

var errInVain = errors.New("the test has waited long enough")

// TestCloseFreesSlotsAtOnce closes a source that holds slots and places.
func TestCloseFreesSlotsAtOnce(t *testing.T) {
	for _, m := range []mode{immediate, strict} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, m, 1, 8*time.Second)
			defer w.close()
			time.Sleep(w.lease)
			closed, other := w.source("closed"), w.source("other")
			_ = waitFor(t, closed, "k")
			_, err := closed.Enqueue(t.Context(), "k")
			require.NoError(t, err)
			time.AfterFunc(time.Second, func() { _ = closed.Close(context.Background()) })
			begin := time.Now()
			s := waitFor(t, other, "k")
			require.LessOrEqual(t, s.Info().GrantedAt.Sub(begin), time.Second+100*time.Millisecond)
			require.NoError(t, errors.Join(s.Release(), other.Close(t.Context())))
		})
	}
}

// TestReusedSlotGoesToOthersAfterTheWindow has one worker with no end of short
// jobs, and somebody else who wants its slot now and then. He waits for the
// window in which the worker may keep its slot, and for one job.
func TestReusedSlotGoesToOthersAfterTheWindow(t *testing.T) {
	const window, takes = 100 * time.Millisecond, 30 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, immediate, 1, 10*time.Second)
		defer w.close()
		busy, other := w.source("busy"), w.source("other")
		p, err := pool.New(1, pool.WithSlots(busy), pool.WithReuse(window))
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		var submitter sync.WaitGroup
		submitter.Go(func() {
			for ctx.Err() == nil {
				_ = p.SubmitContext(ctx, func(ctx context.Context) error { rest(ctx, takes); return nil }, pool.Key("k"))
			}
		})
		for range 50 {
			time.Sleep(700 * time.Millisecond)
			begin := time.Now()
			s := waitFor(t, other, "k")
			require.LessOrEqual(t, time.Since(begin), window+takes)
			require.NoError(t, s.Release())
		}
		cancel(errOver)
		submitter.Wait()
		require.NoError(t, p.Shutdown(t.Context()))
		s := p.Stats()
		require.Positive(t, s.Reused)
		require.Less(t, 2*s.Claims, s.Finished, "short jobs share a claim")
		require.NoError(t, errors.Join(busy.Close(t.Context()), other.Close(t.Context())))
	})
}

// TestMostUrgentJobRunsWhenTheSlotIsGranted submits an urgent job while a claim
// is in line for a lesser one.
func TestMostUrgentJobRunsWhenTheSlotIsGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, immediate, 1, 10*time.Second)
		defer w.close()
		src, other := w.source("a"), w.source("b")
		held := waitFor(t, other, "k")
		p, err := pool.New(4, pool.WithSlots(src))
		require.NoError(t, err)
		var mu sync.Mutex
		var ran []string
		job := func(name string) pool.Job {
			return func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				ran = append(ran, name)
				return nil
			}
		}
		cancelled := p.Submit(job("cancelled"), pool.Key("k"), pool.Priority(3))
		p.Submit(job("lesser"), pool.Key("k"))
		time.Sleep(time.Second)
		p.Submit(job("urgent"), pool.Key("k"), pool.Priority(2))
		cancelled.Cancel()
		time.Sleep(time.Second)
		require.Empty(t, ran)
		require.NoError(t, held.Release())
		require.NoError(t, p.Shutdown(t.Context()))
		require.Equal(t, []string{"urgent", "lesser"}, ran)
		require.ErrorIs(t, cancelled.Err(), pool.ErrCanceled)
		require.NoError(t, errors.Join(src.Close(t.Context()), other.Close(t.Context())))
	})
}

// TestFencesGrowOverARestart has the server forget everything in between.
func TestFencesGrowOverARestart(t *testing.T) {
	for _, m := range []mode{immediate, strict} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, m, 1, 2*time.Second)
			defer w.close()
			var last uint64
			for range 5 {
				src := w.source("a")
				for range 3 {
					s := waitFor(t, src, "k")
					require.Greater(t, s.Info().Fence, last)
					last = s.Info().Fence
					require.NoError(t, s.Release())
				}
				require.NoError(t, src.Close(t.Context()))
				w.restart(time.Second)
			}
		})
	}
}
