package pool

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJobsOfOneSubmitterRunInOrder(t *testing.T) {
	p := newPool(t, 1, WithQueue(300))
	next, turned := 0, false
	for i := range 50_000 {
		job := func(context.Context) error {
			turned = turned || i != next
			next++
			return nil
		}
		if i%7 == 0 { // some go past the injection queue
			p.SubmitContext(t.Context(), job, Name("slow"))
		} else if i%11 == 0 {
			p.Submit(job, Priority(0))
		} else {
			require.NoError(t, p.Go(job))
		}
	}
	require.NoError(t, p.Wait(t.Context()))
	require.False(t, turned)
	require.Equal(t, 50_000, next)
	finish(t, p)
}

// Both workers are within what they have taken of one lane when a job without a
// key comes: it goes next.
func TestAJobWithoutAKeyPassesWhatWorkersHaveTakenOfAnotherLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, workers := range []int{1, 2} {
			p := newPool(t, workers, WithQueue(1000))
			for range 1000 {
				require.NoError(t, p.Go(sleeps(time.Second), Key("many")))
			}
			time.Sleep(3500 * time.Millisecond)
			start := time.Now()
			waited := make(chan time.Duration, 1)
			require.NoError(t, p.Go(func(context.Context) error {
				waited <- time.Since(start)
				return nil
			}))
			require.Equal(t, 500*time.Millisecond, <-waited)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.Error(t, p.Shutdown(ctx))
			requireBalance(t, p)
		}
	})
}

func TestTheBoundOfAllCountsWhatIsInjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithQueue(20), WithQueueTotal(30))
		p.Submit(sleeps(time.Second))
		synctest.Wait()
		for range 15 {
			require.NoError(t, p.Go(nothing, Key("keyed")))
		}
		for range 15 {
			_, err := p.TrySubmit(nothing)
			require.NoError(t, err)
		}
		_, err := p.TrySubmit(nothing)
		require.ErrorIs(t, err, ErrQueueFull)
		finish(t, p)
	})
}

// While the only worker is busy nothing leaves, so that what is queued in the
// end is the most that ever was.
func TestBoundsHoldWhenManySubmitAtOnce(t *testing.T) {
	const all = 40
	for range 300 {
		p := newPool(t, 1, WithQueue(all), WithQueueTotal(all))
		started, release := make(chan struct{}), make(chan struct{})
		require.NoError(t, p.Go(func(context.Context) error {
			close(started)
			<-release
			return nil
		}))
		<-started
		lanes := []string{"", "keyed"}
		for _, key := range lanes { // an empty lane is admitted one in any case
			require.NoError(t, p.Go(nothing, Key(key)))
		}
		var submitting sync.WaitGroup
		for i := range 4 {
			submitting.Go(func() {
				for full := false; !full; {
					_, err := p.TrySubmit(nothing, Key(lanes[i%2]))
					full = err != nil
				}
			})
		}
		submitting.Wait()
		queued := p.Stats().Queued
		close(release)
		require.LessOrEqual(t, queued, int64(all))
		finish(t, p)
	}
}

func TestAJobThatIsInjectedIsSeenByAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		p.Submit(sleeps(time.Minute))
		synctest.Wait()
		task := p.Submit(sleeps(time.Minute))
		dropped := p.Submit(nothing)
		require.Len(t, p.injected.jobs, 2, "the worker is busy, and nobody need be told")
		dropped.Cancel()
		require.ErrorIs(t, dropped.Err(), ErrCanceled)
		require.EqualValues(t, 1, p.Stats().Queued)

		last := p.Submit(nothing)
		require.Len(t, p.injected.jobs, 1)
		require.NoError(t, p.Shutdown(t.Context()))
		require.NoError(t, task.Err())
		require.Equal(t, StateDone, last.State(), "what was accepted runs")
		require.NoError(t, last.Err())
		requireBalance(t, p)
	})
}

func TestAJobThatIsInjectedPassesLessUrgentOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		p.Submit(sleeps(time.Second))
		synctest.Wait()
		order := ""
		for range 3 {
			require.NoError(t, p.Go(func(context.Context) error { order += "c"; return nil }, Priority(-1)))
		}
		require.NoError(t, p.Go(func(context.Context) error { order += "b"; return nil }))
		p.injected.mu.Lock()
		require.Len(t, p.injected.jobs, 1)
		p.injected.mu.Unlock()
		time.Sleep(2 * time.Second) // nobody looks meanwhile
		finish(t, p)
		require.Equal(t, "bccc", order)
	})
}
