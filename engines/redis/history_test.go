package redis

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/stacktest/histories"
)

// Two machines claim, release, abandon and give up at random, each claim with a limit of
// its own, while the network fails. There is one order of all that happened that
// explains it, in which no more hold a slot than the limit of any who does. BERTH_HISTORIES
// is how many histories there are.
func TestHistoriesUnderFaultsAreLinearizable(t *testing.T) {
	const claims = 200
	count := 0
	var all histories.History
	faultnet.EachSeed(t, "BERTH_HISTORIES", 4, func(seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			h := w.history(histories.Play{Seed: seed, Claimants: 3, Claims: claims, Unit: 200 * time.Millisecond, Long: 2 * w.lease})
			require.NoError(t, h.Check(), "seed %d", seed)
			all.Add(h)
			count++
		})
	})
	require.Equal(t, count*claims, all.Claims)
	counts.Report(t, counts.Of{"histories": count, "grants": all.Grants, "operations": len(all.Operations)})
}

// The same with a real server, whose clock nobody can hold.
func TestHistoriesOnARealServerAreLinearizable(t *testing.T) {
	p := startServer(t)
	seed := faultnet.Seed(t)
	const claims = 300
	w := p.world(t)
	h := w.history(histories.Play{Seed: seed, Claimants: 4, Claims: claims, Unit: 3 * time.Millisecond, Long: w.lease / 2})
	require.NoError(t, h.Check())
	t.Logf("seed %d: %v", seed, h)
	require.Equal(t, claims, h.Claims)
	require.Positive(t, h.Grants)
}

// history plays on two machines while the network fails.
func (w *world) history(p histories.Play) histories.History {
	w.t.Helper()
	machines := []string{"a", "b"}
	for _, machine := range machines {
		s, err := NewSource(w.client(machine), histories.Limits(), WithLease(w.lease), WithName(machine), WithTimeout(20*p.Unit))
		require.NoError(w.t, err)
		p.Sources = append(p.Sources, s)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	failing := make(chan struct{})
	go func() {
		defer close(failing)
		for i := uint64(0); ctx.Err() == nil; i++ {
			_ = faultnet.NewPlan(p.Seed+i<<32, time.Minute, 40*p.Unit, machines, faults).Run(ctx, w.net, nil)
		}
	}()
	h := histories.Record(w.t.Context(), p)
	cancel()
	<-failing
	for _, machine := range append(machines, faultnet.Everybody) {
		w.net.Set(machine, connected)
	}
	for _, s := range p.Sources {
		_ = s.Close(context.Background()) // which knows no better after a fault than that something may be held
	}
	return h
}
