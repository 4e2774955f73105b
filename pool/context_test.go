package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/goroutines"
)

type testKey struct{}

func TestAJobsContextIsAChildOfTheSubmitters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), testKey{}, "v"))
		err := p.SubmitContext(ctx, func(ctx context.Context) error {
			require.Equal(t, "v", ctx.Value(testKey{}))
			require.NoError(t, ctx.Err())
			cancel(errTest)
			require.Error(t, ctx.Err())
			<-ctx.Done()
			require.Equal(t, "v", ctx.Value(testKey{}), "also when it has become a real one")
			return context.Cause(ctx)
		}).Wait(t.Context())
		require.ErrorIs(t, err, errTest)
		finish(t, p)
	})
}

func TestTheValuesOfTheSubmittersContextOutliveTheJob(t *testing.T) {
	for name, opts := range map[string][]Option{"no slots": nil, "slots": {WithSlots(newFake(1))}} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 1, opts...)
			ctx := context.WithValue(t.Context(), testKey{}, "v")
			for _, asked := range []bool{false, true} {
				var kept []context.Context
				require.NoError(t, p.SubmitContext(ctx, func(ctx context.Context) error {
					if asked {
						_ = ctx.Done()
					}
					if kept = append(kept, ctx); len(kept) < 2 {
						return RetryAfter(0, errTest)
					}
					return nil
				}).Wait(t.Context()))
				for attempt, ctx := range kept {
					require.Equal(t, "v", ctx.Value(testKey{}), "attempt %d", attempt+1)
					require.Equal(t, "v", context.WithoutCancel(ctx).Value(testKey{}))
					require.ErrorIs(t, context.Cause(ctx), context.Canceled)
				}
			}
			finish(t, p)
		})
	}
}

func TestContextsDerivedFromAJobsCostNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		err := p.Submit(func(ctx context.Context) error {
			before := goroutines.InBubble(t)
			for range 100 {
				child, cancel := context.WithCancel(ctx)
				defer cancel()
				require.NoError(t, child.Err())
			}
			require.Equal(t, before, goroutines.InBubble(t))
			return nil
		}).Wait(t.Context())
		require.NoError(t, err)
		finish(t, p)
	})
}

func TestTheCauseReachesDerivedContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		task := p.Submit(func(ctx context.Context) error {
			child, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			<-child.Done()
			require.ErrorIs(t, context.Cause(child), ErrCanceled)
			return nil
		})
		synctest.Wait()
		task.Cancel()
		require.NoError(t, task.Wait(t.Context()), "a nil return is a success even then")
		finish(t, p)
	})
}

func TestAJobsContextEndsWithTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		for _, asked := range []bool{true, false} {
			var kept context.Context
			require.NoError(t, p.Submit(func(ctx context.Context) error {
				kept = ctx
				if asked {
					_ = ctx.Done()
				}
				return nil
			}).Wait(t.Context()))
			require.ErrorIs(t, kept.Err(), context.Canceled)
			<-kept.Done()
		}
		finish(t, p)
	})
}

func TestEachAttemptHasAContextOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		var first context.Context
		require.NoError(t, p.Submit(func(ctx context.Context) error {
			info, ok := FromContext(ctx)
			require.True(t, ok)
			if first == nil {
				first = ctx
				require.Equal(t, 1, info.Attempt)
				return RetryAfter(time.Second, errTest)
			}
			require.Equal(t, 2, info.Attempt)
			require.Error(t, first.Err(), "the first attempt is over, and so is its context")
			require.NoError(t, ctx.Err())
			return nil
		}).Wait(t.Context()))
		finish(t, p)
	})
}

func TestAJobKnowsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ok := FromContext(t.Context())
		require.False(t, ok)
		src := newFake(1)
		p := newPool(t, 1, WithSlots(src), WithSlotKey(func(lane string) string { return "slots of " + lane }),
			Use(func(next Job) Job { return next }))
		start := time.Now()
		held, err := src.Enqueue(t.Context(), "slots of a")
		require.NoError(t, err)
		s, _ := held.Slot()
		task := p.Submit(func(ctx context.Context) error {
			info, ok := FromContext(ctx)
			require.True(t, ok)
			require.Equal(t, "n", info.Name)
			require.Equal(t, "a", info.Key)
			require.Equal(t, 3, info.Priority)
			require.Equal(t, "slots of a", info.SlotKey)
			require.Equal(t, 1, info.Attempt)
			require.Equal(t, start.Add(time.Second), info.FirstStart)
			require.Zero(t, info.Elapsed())
			require.Equal(t, time.Second, info.SlotWait)
			require.True(t, info.HasSlot)
			require.False(t, info.Reused)
			require.True(t, info.Slot.Queued)
			_, leased := info.Remaining()
			require.False(t, leased, "a local slot has no lease")
			return nil
		}, Name("n"), Key("a"), Priority(3))
		time.Sleep(time.Second)
		require.NoError(t, s.Release())
		require.NoError(t, task.Wait(t.Context()))
		require.NoError(t, p.Go(func(ctx context.Context) error {
			info, ok := FromContext(ctx)
			require.True(t, ok)
			require.True(t, info.HasSlot)
			return nil
		}, Key("a")))
		require.NoError(t, p.Wait(t.Context()))
		finish(t, p)
	})
}
