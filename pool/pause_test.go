package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestASlotIsNotUsedAgainWhileItsKeyIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocalKeyed(1)
		p := newPool(t, 1, WithSlots(src), WithReuse(time.Hour))
		start := time.Now()
		first := p.Submit(sleeps(time.Second), Key("site"))
		second := p.Submit(nothing, Key("site"))
		synctest.Wait()
		require.NoError(t, slot.Pause(t.Context(), src, "site", 10*time.Second))
		require.NoError(t, first.Wait(t.Context()), "what runs goes on")
		require.Equal(t, time.Second, time.Since(start))
		require.NoError(t, second.Wait(t.Context()))
		require.GreaterOrEqual(t, time.Since(start), 10*time.Second)
		finish(t, p)
	})
}

func TestASlotThatIsKeptForLongIsGivenBackOnceItsKeyIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocalKeyed(1)
		p := newPool(t, 1, WithSlots(src), WithReuse(time.Hour))
		var starts []time.Time
		job := func(ctx context.Context) error {
			starts = append(starts, time.Now())
			return sleeps(time.Second)(ctx)
		}
		for range 10 {
			require.NoError(t, p.Go(job, Key("site")))
		}
		time.Sleep(3500 * time.Millisecond) // the fourth one runs, all under one slot
		require.NoError(t, slot.Pause(t.Context(), src, "site", 10*time.Second))
		require.NoError(t, p.Wait(t.Context()))
		require.Len(t, starts, 10)
		require.GreaterOrEqual(t, starts[4].Sub(starts[3]), 10*time.Second)
		finish(t, p)
	})
}
