package etcdtest_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/stacktest/histories"
)

// Two machines claim, release, abandon and give up at random, each claim with a limit of
// its own, while the network fails. There is one order of all that happened that
// explains it, in which no more hold a slot than the limit of any who does. BERTH_HISTORIES
// is how many histories there are; four are made at once, since they mostly wait.
func TestHistoriesUnderFaultsAreLinearizable(t *testing.T) {
	t.Parallel()
	const claims, atOnce = 300, 4
	count := faultnet.Count(t, "BERTH_HISTORIES", atOnce)
	seed := faultnet.Seed(t)
	var all histories.History
	for i := 0; i < count; i += atOnce {
		played := make([]histories.History, min(atOnce, count-i))
		var playing sync.WaitGroup
		for j := range played {
			play := newHistory(t, histories.Play{
				Seed: seed + uint64(i+j), Claimants: 3, Claims: claims, Unit: 10 * time.Millisecond, Long: 3 * time.Second,
			})
			playing.Go(func() { played[j] = play() })
		}
		playing.Wait()
		for j, h := range played {
			require.NoError(t, h.Check(), "seed %d", seed+uint64(i+j))
			all.Add(h)
		}
	}
	require.Equal(t, count*claims, all.Claims)
	counts.Report(t, counts.Of{"histories": count, "grants": all.Grants, "operations": len(all.Operations)})
}

// newHistory returns a function that plays on two machines while the network fails.
func newHistory(t *testing.T, p histories.Play) func() histories.History {
	n := network(t, single)
	prefix := newPrefix()
	machines := []string{"a", "b"}
	for _, machine := range machines {
		p.Sources = append(p.Sources, newSource(t, connect(t, single, over(n, machine)), prefix, histories.Limits(),
			etcd.WithLease(2*time.Second), etcd.WithRequestTimeout(500*time.Millisecond), etcd.WithLogger(discard)))
	}
	return func() histories.History {
		ctx, cancel := context.WithCancel(t.Context())
		var breaking sync.WaitGroup
		breaking.Go(func() { breakThings(ctx, n, machines, rand.New(rand.NewPCG(p.Seed, 99))) })
		h := histories.Record(t.Context(), p)
		cancel()
		breaking.Wait()
		return h
	}
}
