package stacktest_test

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

// What two machines see of the slots of a strict server, while the network fails and the
// server is restarted, is recorded and judged as it is for every other engine.
func TestHistoriesOfSourcesUnderFaultsAreLinearizable(t *testing.T) {
	const claims = 200
	count := 0
	var all histories.History
	faultnet.EachSeed(t, "BERTH_HISTORIES", 40, func(seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, strict, 3, 4*time.Second)
			defer w.close()
			h := w.history(histories.Play{Seed: seed, Claimants: 3, Claims: claims, Unit: 200 * time.Millisecond, Long: 2 * w.lease})
			require.NoError(t, h.Check(), "seed %d", seed)
			all.Add(h)
			count++
		})
	})
	require.Equal(t, count*claims, all.Claims)
	counts.Report(t, counts.Of{"histories": count, "grants": all.Grants, "operations": len(all.Operations)})
}

// history plays on two machines while everything fails.
func (w *world) history(p histories.Play) histories.History {
	machines := []string{"a", "b"}
	for _, machine := range machines {
		src := w.open(machine, histories.Limits())
		defer func() { _ = src.Close(context.Background()) }() // which may not reach the server
		p.Sources = append(p.Sources, src)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	failing := make(chan struct{})
	go func() {
		defer close(failing)
		for i := uint64(0); ctx.Err() == nil; i++ {
			_ = faultnet.NewPlan(p.Seed+i<<32, time.Minute, 8*time.Second, machines, faultnet.Kinds()).Run(ctx, w.net, w.restart)
		}
	}()
	h := histories.Record(w.t.Context(), p)
	cancel()
	<-failing
	return h
}
