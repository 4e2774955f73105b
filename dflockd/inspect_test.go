package dflockd

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

func TestInspectTellsNamesLimitsAndTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ln := startServer(t)
		dial := newNetwork(ln.serve).dial
		source := func(name string, limit int) *Source {
			src, err := NewSource(slot.Keyed("host:", limit), WithDialer(dial), WithLease(10*time.Second), WithName(name))
			require.NoError(t, err)
			t.Cleanup(func() { _ = src.Close(context.Background()) })
			return src
		}
		old, young := source("old:1", 1), source("young:2", 2)
		held := claimNow(t, old, "a")
		time.Sleep(2 * time.Second)
		ticket, err := young.Enqueue(t.Context(), "a")
		require.NoError(t, err)
		synctest.Wait()
		n, ok := slot.Ahead(ticket)
		require.True(t, ok)
		require.Zero(t, n)
		place, err := old.Join(t.Context(), "a", &burstingClaimant{refused: func() {}})
		require.NoError(t, err)
		synctest.Wait()
		n, ok = slot.Ahead(place)
		require.True(t, ok)
		require.Equal(t, 1, n)

		now := time.Now()
		st, err := young.Inspect(t.Context(), "a")
		require.NoError(t, err)
		require.Len(t, st.Holders, 1)
		require.WithinRange(t, st.Holders[0].Until, now.Add(6*time.Second), now.Add(10*time.Second))
		st.Holders[0].Until = time.Time{}
		require.Equal(t, slot.State{
			Name: "host:a", Held: 1, Waiting: 2,
			Holders: []slot.Holder{{Name: "old:1", ID: fmt.Sprintf("%016x", held.Info().Fence), Limit: 1, Since: now.Add(-2 * time.Second)}},
			Waiters: []slot.Waiter{{Name: "young:2", Limit: 2, Since: now}, {Name: "old:1", Limit: 1, Since: now}},
		}, st)

		st, err = young.Inspect(t.Context(), "nobody's")
		require.NoError(t, err)
		require.Equal(t, slot.State{Name: "host:nobody's"}, st)
		_, err = young.Inspect(t.Context(), "a b")
		require.ErrorIs(t, err, slot.ErrKey)
		place.Leave()
	})
}

func TestInspectTellsWhatAnOriginalServerKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, func(_ int, r wire.Request) string {
			if r.Command == wire.Stats {
				return `ok {"connections":2,"locks":[{"key":"l","owner_conn_id":1,"lease_expires_in_s":12.5,"waiters":3}],` +
					`"semaphores":[{"key":"s","limit":5,"holders":4,"waiters":0}],"idle_locks":[],"idle_semaphores":[]}`
			}
			return "error"
		})
		src := newTestSource(t, p, slot.Keyed("", 5))
		st, err := src.Inspect(t.Context(), "l")
		require.NoError(t, err)
		require.Equal(t, slot.State{
			Name: "l", Held: 1, Waiting: 3, Holders: []slot.Holder{{Limit: 1, Until: time.Now().Add(12500 * time.Millisecond)}},
		}, st)
		st, err = src.Inspect(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, slot.State{Name: "s", Held: 4}, st)
	})
}

func TestInspectSaysWhyItCannotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := newPeer(t, nil)
		away.set(func() { away.frozen, away.hang = true, true })
		src := newTestSource(t, away, slot.Fixed("k", 1))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("no patience"))
		defer cancel()
		_, err := src.Inspect(ctx, "")
		require.EqualError(t, err, `dflockd: inspect "k" at 127.0.0.1:6388: no patience`)
		_, err = src.Inspect(ctx, "")
		require.EqualError(t, err, `dflockd: inspect: no patience`)

		cluster, err := NewSource(slot.Fixed("k", 1), WithCluster(), WithDialer(away.dial))
		require.NoError(t, err)
		_, err = cluster.Inspect(t.Context(), "")
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.NoError(t, cluster.Close(t.Context()))

		closed := newTestSource(t, generous(t), slot.Fixed("k", 1))
		require.NoError(t, closed.Close(t.Context()))
		_, err = closed.Inspect(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrClosed)
		require.ErrorIs(t, closed.Pause(t.Context(), "", time.Second), slot.ErrClosed)
		require.ErrorIs(t, closed.Revoke(t.Context(), "", "0123456789abcdef"), slot.ErrClosed)
	})
	for _, bad := range []string{"", "a b", "a\n"} {
		_, err := NewSource(slot.Fixed("k", 1), WithName(bad))
		require.ErrorContains(t, err, "dflockd: WithName: the name", bad)
	}
}
