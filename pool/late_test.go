package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// waitsForAWorker has a slot of "site" granted, 100 ms after the start, to a pool whose only
// worker is at a job of another key for as long as told. It returns when the slot was
// granted under which the job of "site" has run.
func waitsForAWorker(t *testing.T, busy time.Duration) (granted time.Duration, s Stats) {
	src := slot.Pace(slot.NewLocalKeyed(5), slot.PerSecond(10), 1)
	p := newPool(t, 1, WithSlots(src))
	begun := time.Now()
	require.NoError(t, p.Submit(nothing, Key("site")).Wait(t.Context()))
	task := p.Submit(func(ctx context.Context) error {
		info, _ := FromContext(ctx)
		granted = info.Slot.GrantedAt.Sub(begun)
		return nil
	}, Key("site"))
	time.Sleep(50 * time.Millisecond) // the worker has found none free, and is in line
	require.NoError(t, p.Go(sleeps(busy-50*time.Millisecond), Key("other")))
	require.NoError(t, task.Wait(t.Context()))
	s = p.Stats()
	finish(t, p)
	return granted, s
}

func TestAPacedSlotThatHasWaitedTooLongForAWorkerServesNoJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		granted, s := waitsForAWorker(t, 151*time.Millisecond)
		require.GreaterOrEqual(t, granted, 200*time.Millisecond, "the job runs under a slot that is young")
		require.EqualValues(t, 1, s.LateSlots)
		require.EqualValues(t, 1, s.Unneeded)
	})
}

func TestAPacedSlotThatIsStillYoungServesItsJobWhenAWorkerIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		granted, s := waitsForAWorker(t, 150*time.Millisecond)
		require.Equal(t, 100*time.Millisecond, granted)
		require.Zero(t, s.LateSlots)
	})
}

func TestAPacedSlotServesOneJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.Pace(slot.NewLocalKeyed(5), slot.PerSecond(10), 1)
		p := newPool(t, 4, WithSlots(src), WithReuse(time.Hour))
		begun := time.Now()
		for range 10 {
			require.NoError(t, p.Go(nothing, Key("site")))
		}
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, 900*time.Millisecond, time.Since(begun))
		require.Zero(t, p.Stats().Reused)
		finish(t, p)
	})
}
