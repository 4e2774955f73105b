package pool

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// What a job of Go leaves behind may be looked at for the first time at any moment:
// while it runs, as it ends, when others run on the same worker.
func TestTheContextOfAJobOfGoEndsWithThatJobWheneverSomebodyLooks(t *testing.T) {
	for name, opts := range map[string][]Option{"plain": nil, "under slots": {WithSlots(slot.NewLocal(2))}} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 2, opts...)
			var lookers sync.WaitGroup
			for i := range 5000 {
				require.NoError(t, p.Go(func(ctx context.Context) error {
					lookers.Go(func() {
						if i%2 == 0 {
							<-ctx.Done()
						}
						for ctx.Err() == nil {
							time.Sleep(time.Microsecond)
						}
						require.ErrorIs(t, context.Cause(ctx), context.Canceled)
					})
					return nil
				}))
			}
			require.NoError(t, p.Wait(t.Context())) // all have begun to look
			lookers.Wait()                          // for ever, if one has the context of another job
			finish(t, p)
		})
	}
}

func TestAContextThatNobodyLookedAtHasEndedAfterItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		var left context.Context
		require.NoError(t, p.Go(func(ctx context.Context) error { left = ctx; return nil }))
		require.NoError(t, p.Go(sleeps(time.Hour))) // on the same worker
		synctest.Wait()
		require.ErrorIs(t, left.Err(), context.Canceled)
		select {
		case <-left.Done():
		default:
			t.Error("it is not over")
		}
		require.False(t, isInside(left, p), "what the worker runs now is another job")
		finish(t, p)
	})
}

func TestAJobOfGoKnowsItselfAsOneOfSubmitDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithSlots(slot.NewLocalKeyed(1)))
		var infos []Info
		job := func(ctx context.Context) error {
			i, ok := FromContext(ctx)
			require.True(t, ok)
			i.Slot = slot.Info{}
			infos = append(infos, i)
			return nil
		}
		require.NoError(t, p.Go(job, Key("a"), Priority(3)))
		require.NoError(t, p.Wait(t.Context()))
		time.Sleep(time.Second) // the slot is not used again
		require.NoError(t, p.Submit(job, Key("a"), Priority(3)).Wait(t.Context()))
		require.Len(t, infos, 2)
		require.Equal(t, infos[0], infos[1])
		finish(t, p)
	})
}
