package pool

import (
	"context"
	"sync/atomic"
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

func TestASlotServesNoJobOfAnotherLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limit atomic.Int64
		limit.Store(1)
		src := slot.NewLocalLimits(slot.LimitBy(func(string) (string, int, error) { return "db", int(limit.Load()), nil }))
		p := newPool(t, 1, WithSlots(src), WithReuse(time.Hour))
		var seen []int
		job := func(ctx context.Context) error {
			i, _ := FromContext(ctx)
			seen = append(seen, i.Slot.Limit)
			return sleeps(time.Second)(ctx)
		}
		for range 6 {
			require.NoError(t, p.Go(job, Key("k")))
		}
		time.Sleep(2500 * time.Millisecond)
		limit.Store(2)
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, []int{1, 1, 1, 2, 2, 2}, seen)
		require.EqualValues(t, 2, p.Stats().Claims)
		finish(t, p)
	})
}

func TestAJobKnowsHowManyClaimsWereInFrontOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocal(1)
		held, _, err := slot.Try(t.Context(), src, "")
		require.NoError(t, err)
		for range 3 { // others in line
			ticket, err := src.Enqueue(t.Context(), "")
			require.NoError(t, err)
			go func() {
				if s, err := ticket.Wait(t.Context()); err == nil {
					_ = s.Release()
				}
			}()
		}
		p := newPool(t, 1, WithSlots(src))
		var info Info
		task := p.Submit(func(ctx context.Context) error { info, _ = FromContext(ctx); return nil })
		synctest.Wait()
		require.NoError(t, held.Release())
		require.NoError(t, task.Wait(t.Context()))
		require.Equal(t, 3, info.Ahead)
		finish(t, p)
	})
}

// Its slots come from another source than the one whose limit it tells.
func TestASlotOfAFallbackIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(5)
		src.limit = 5
		src.setFail(func(string) error { return slot.ErrUnavailable })
		p := newPool(t, 1, WithSlots(slot.Fallback(src, slot.NewLocal(1), time.Second)), WithReuse(time.Hour))
		for range 20 {
			require.NoError(t, p.Go(sleeps(time.Second), Key("k")))
		}
		require.NoError(t, p.Wait(t.Context()))
		require.Greater(t, p.Stats().Reused, int64(10))
		finish(t, p)
	})
}
