package stacktest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// TestEachClaimsLimitOfALocalSourceHoldsWhateverClaimantsDo has workers whose limits
// change claim slots in this process, wait for them, give up and leave. At no moment do
// more hold a slot than the limit of any of them, and nothing is left in the end.
func TestEachClaimsLimitOfALocalSourceHoldsWhateverClaimantsDo(t *testing.T) {
	const minutes, workers = 20, 12
	did := counts.Of{}
	faultnet.EachSeed(t, "BERTH_SIMULATIONS", 2, func(seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			src := slot.NewLocalLimits(changing(rand.New(rand.NewPCG(seed, 8))))
			c := &claimants{src: src}
			ctx, cancel := context.WithTimeout(t.Context(), minutes*time.Minute)
			defer cancel()
			var all sync.WaitGroup
			for i := range workers {
				mine := rand.New(rand.NewPCG(rng.Uint64(), 0))
				all.Go(func() { c.work(ctx, fmt.Sprint(i), mine) })
			}
			all.Wait()
			require.Empty(t, check.Excesses(c.rec.Intervals()), "seed %d", seed)
			for key := range 2 {
				st, err := src.Inspect(t.Context(), fmt.Sprintf("key-%d", key))
				require.NoError(t, err)
				require.Zerof(t, st.Held+st.Waiting, "%+v", st)
			}
			require.NoError(t, src.Close(context.Background()))
			did["simulated-minutes"] += minutes
			did["grants"] += len(c.rec.Intervals())
			did["claims-given-up"] += int(c.gaveUp.Load())
		})
	})
	counts.Report(t, did)
}

// claimants work under slots of this process.
type claimants struct {
	src    *slot.Local
	rec    check.Recorder
	gaveUp atomic.Int64
}

// work makes one claim after the other until ctx ends.
func (c *claimants) work(ctx context.Context, who string, rng *rand.Rand) {
	for ctx.Err() == nil {
		key := fmt.Sprintf("key-%d", rng.IntN(2))
		s := c.claim(ctx, key, time.Duration(rng.IntN(3000))*time.Millisecond, rng.IntN(3))
		if s == nil {
			c.gaveUp.Add(1)
			rest(ctx, time.Duration(rng.IntN(100))*time.Millisecond)
			continue
		}
		end := c.rec.BeginWith(s.Context(), key, who, s.Info().Limit)
		rest(ctx, time.Duration(rng.IntN(1000))*time.Millisecond)
		end()
		_ = s.Release() // it cannot be lost
	}
}

// claim asks once, or waits for a while in one of two ways; nil is no slot.
func (c *claimants) claim(ctx context.Context, key string, patience time.Duration, way int) slot.Slot {
	if way == 0 {
		s, ok, err := c.src.Try(ctx, key)
		if err != nil || !ok {
			return nil
		}
		return s
	}
	ticket, err := c.src.Enqueue(ctx, key)
	if err != nil {
		return nil
	}
	if way == 1 { // looks after a while, and leaves the line
		rest(ctx, patience)
		if s, ok := ticket.Slot(); ok {
			return s
		}
		_ = ticket.Close()
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := ticket.Wait(ctx)
	if err != nil {
		return nil
	}
	return s
}
