package stacktest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// everything is the name under which the limit over all keys is recorded.
const everything = "everything"

// TestEachLimitOfAllHoldsUnderAnyFault has machines claim a slot of a key and
// one of all keys together, of a strict server, while connections, machines and
// servers fail at random. Neither limit is ever passed.
func TestEachLimitOfAllHoldsUnderAnyFault(t *testing.T) {
	const ofKey, ofAll = 2, 3
	simulate(t, func(t *testing.T, seed uint64, s *simulated) {
		rng := rand.New(rand.NewPCG(seed, 5))
		w := newWorld(t, strict, ofKey, time.Duration(2+rng.IntN(10))*time.Second)
		defer w.close()
		w.original = seed%2 == 0
		machines := []string{"a", "b", "c"}
		plan := faultnet.NewPlan(seed, s.each, 10*time.Second, machines, faultnet.Kinds())
		t.Logf("original %v, lease %v, seed %d", w.original, w.lease, seed)
		w.compose(plan, machines, ofAll, rng)

		var keys, all []check.Interval
		for _, iv := range w.rec.Intervals() {
			if iv.Key == everything {
				all = append(all, iv)
			} else {
				keys = append(keys, iv)
			}
		}
		require.Empty(t, check.Overlaps(ofKey, keys))
		require.Empty(t, check.Overlaps(ofAll, all))
		s.lived(t, plan, len(all))
	})
}

// compose has each machine claim slots of both limits while the faults of the
// plan befall them, and asks that in the end all of them get on.
func (w *world) compose(plan faultnet.Plan, machines []string, ofAll int, rng *rand.Rand) {
	ctx, cancel := context.WithCancelCause(w.t.Context())
	var workers sync.WaitGroup
	for _, machine := range machines {
		src := slot.All(w.source(machine), w.open(machine, slot.Fixed(everything, ofAll)))
		defer func() { require.NoError(w.t, src.Close(context.Background())) }()
		for i := range 4 {
			rng := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
			workers.Go(func() { w.workUnderBoth(ctx, src, machine, fmt.Sprint(machine, i), rng) })
		}
	}
	defer func() {
		cancel(errOver)
		workers.Wait()
	}()
	for _, f := range plan.Faults {
		require.NoError(w.t, f.Run(ctx, w.net, w.restart))
	}
	time.Sleep(w.recovery())
	for _, m := range machines {
		before := w.grants(m, everything)
		time.Sleep(time.Minute)
		require.Greaterf(w.t, w.grants(m, everything), before, "machine %s", m)
	}
}

// workUnderBoth claims, holds and gives back until ctx ends.
func (w *world) workUnderBoth(ctx context.Context, src slot.Source, machine, worker string, rng *rand.Rand) {
	for ctx.Err() == nil {
		key := fmt.Sprintf("key-%d", rng.IntN(3))
		hold := time.Duration(rng.Int64N(int64(time.Second)))
		if rng.IntN(4) == 0 { // so long that one part is renewed before a fault and the other is not
			hold = time.Duration(rng.Int64N(int64(2 * w.lease)))
		}
		if err := w.holdBoth(ctx, src, machine, worker, key, hold); err != nil {
			rest(ctx, 200*time.Millisecond+time.Duration(rng.Int64N(int64(100*time.Millisecond))))
		}
	}
}

func (w *world) holdBoth(ctx context.Context, src slot.Source, machine, worker, key string, hold time.Duration) error {
	ticket, err := src.Enqueue(ctx, key)
	if err != nil {
		return err
	}
	s, err := ticket.Wait(ctx)
	if err != nil {
		return errors.Join(err, ticket.Close())
	}
	w.granted(machine, everything, s.Info().ConfirmedAt, 0)
	endKey := w.rec.Begin(s.Context(), key, worker)
	endAll := w.rec.Begin(s.Context(), everything, worker)
	rest(s.Context(), hold)
	endKey()
	endAll()
	_ = s.Release() // a loss is what the test is about
	return nil
}
