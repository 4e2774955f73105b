package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// faults are those of a network, and none of a server that forgets.
var faults = []faultnet.Kind{
	faultnet.Partition, faultnet.LostUp, faultnet.LostDown, faultnet.Freeze, faultnet.Slow,
	faultnet.Split, faultnet.Reset, faultnet.HalfClose,
}

// Machines claim, hold and give up slots while connections fail at random. No more
// than the limit ever hold one, and work goes on when the faults are over.
func TestLimitHoldsUnderAnyFaultOfTheNetwork(t *testing.T) {
	const span = 5 * time.Minute
	did := counts.Of{}
	faultnet.EachSeed(t, "BERTH_REDIS_SWEEPS", 2, func(seed uint64) {
		synctest.Test(t, func(t *testing.T) { sweep(t, seed, span, did) })
	})
	counts.Report(t, did)
}

func sweep(t *testing.T, seed uint64, span time.Duration, did counts.Of) {
	w := newWorld(t)
	rng := rand.New(rand.NewPCG(seed, 2))
	limit := 1 + rng.IntN(3)
	w.lease = time.Duration(2+rng.IntN(10)) * time.Second
	var rec check.Recorder
	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	machines := []string{"a", "b", "c"}
	var sources []*Source
	for _, machine := range machines {
		s, err := NewSource(w.stubborn(machine), slot.Keyed("", limit), WithLease(w.lease), WithName(machine))
		require.NoError(t, err)
		sources = append(sources, s)
		for i := range 4 {
			mine := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
			workers.Go(func() {
				for ctx.Err() == nil {
					work(ctx, s, &rec, fmt.Sprint(machine, i), mine)
				}
			})
		}
	}
	plan := faultnet.NewPlan(seed, span, 10*time.Second, machines, faults)
	require.NoError(t, plan.Run(ctx, w.net, nil))
	before := len(rec.Intervals())
	time.Sleep(3 * w.lease)
	require.Greater(t, len(rec.Intervals()), before, "work goes on")
	cancel()
	workers.Wait()
	for _, s := range sources {
		_ = s.Close(context.Background()) // which knows no better after a fault than that something may be held
	}
	require.Empty(t, check.Overlaps(limit, rec.Intervals()), "%v", plan)
	did["simulated-minutes"] += int(span.Minutes())
	did["faults"] += len(plan.Faults)
	did["grants"] += len(rec.Intervals())
}

// work makes one claim, in one of the ways in which a claim can be made.
func work(ctx context.Context, s *Source, rec *check.Recorder, who string, rng *rand.Rand) {
	key := fmt.Sprint("k", rng.IntN(2))
	patience := time.Duration(rng.IntN(5000)) * time.Millisecond
	got, err := claimBy(ctx, s, key, patience, rng.IntN(3))
	if err != nil || got == nil {
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		return
	}
	end := rec.Begin(got.Context(), key, who)
	defer end()
	select {
	case <-time.After(time.Duration(rng.IntN(3000)) * time.Millisecond):
	case <-got.Context().Done():
	}
	_ = got.Release()
}

func claimBy(ctx context.Context, s *Source, key string, patience time.Duration, way int) (slot.Slot, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch way {
	case 0:
		got, _, err := s.Try(ctx, key)
		return got, err
	case 1:
		h := newHearer()
		place, err := s.Join(ctx, key, h)
		if err != nil {
			return nil, err
		}
		select {
		case got := <-h.granted:
			return got, nil
		case err := <-h.refused:
			return nil, err
		case <-ctx.Done():
		}
		place.Leave()
		select {
		case got := <-h.granted:
			return got, nil
		case err := <-h.refused:
			return nil, err
		}
	}
	ticket, err := s.Enqueue(ctx, key)
	if err != nil {
		return nil, err
	}
	return ticket.Wait(ctx)
}
