package redis

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

func TestAReleaseGrantsTheNextInLineAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.source("a", slot.Fixed("k", 1)), w.source("b", slot.Fixed("k", 1))
		held := w.claim(a, "")
		for range 10 {
			ticket := w.queue(b, "")
			synctest.Wait()
			require.NoError(t, held.Release())
			got, took := w.wait(ticket)
			require.Zero(t, took, "of fake time: no renewal was needed")
			held = got
		}
	})
}

// A leaving claim may be what the next one waited for, though it held nothing.
func TestAClaimThatLeavesServesThoseWhomItsLimitHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := w.source("one", slot.Fixed("k", 1)), w.source("two", slot.Fixed("k", 2))
		w.claim(two, "")
		small := w.queue(one, "")
		behind := w.queue(two, "")
		synctest.Wait()
		require.NoError(t, small.Close())
		_, took := w.wait(behind)
		require.Zero(t, took)
	})
}

// Nobody but Redis knows when it has set a lease; it was not before the request was
// sent, however long the answer took.
func TestALeaseCountsFromBeforeItsRequestWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const way = 100 * time.Millisecond // and as long back, each time the client's timeout or less
		a := w.source("a", slot.Fixed("k", 1), WithLease(20*time.Second))
		require.NoError(t, w.claim(a, "").Release())
		synctest.Wait()
		w.net.Set("a", faultnet.Conditions{Delay: way - time.Millisecond})
		usable := lease.Lease{Length: 20 * time.Second}.Usable()
		begin := time.Now()
		held := w.claim(a, "")
		require.Greater(t, time.Since(begin), way)
		require.Equal(t, begin.Add(usable), held.Info().ExpiresAt)

		time.Sleep(10 * time.Second) // it was renewed
		last := held.Info().ExpiresAt.Add(-usable)
		for held.Info().ExpiresAt.Add(-usable).Equal(last) {
			time.Sleep(time.Millisecond)
		}
		require.GreaterOrEqual(t, time.Since(held.Info().ExpiresAt.Add(-usable)), 2*(way-time.Millisecond), "the answer took as long")
	})
}

// A grant from the line counts from the last renewal of the place that was answered,
// and not from the message.
func TestAGrantFromTheLineCountsFromTheLastRenewalOfThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.source("a", slot.Fixed("k", 1), WithLease(12*time.Second)), w.source("b", slot.Fixed("k", 1), WithLease(12*time.Second))
		held := w.claim(a, "")
		begin := time.Now()
		ticket := w.queue(b, "")
		time.Sleep(2 * time.Second) // no renewal is due yet
		require.NoError(t, held.Release())
		got, _ := w.wait(ticket)
		require.Equal(t, begin.Add(lease.Lease{Length: 12 * time.Second}.Usable()), got.Info().ExpiresAt)
	})
}
