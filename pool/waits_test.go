package pool

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// This file is about jobs and workers that wait, and what is left of a job that
// has ended.

var errGone = errors.New("the client went away")

// The submitter waits for room, then its job waits for a worker.
func TestATaskThatHasWaitedForRoomEndsWithItsSubmittersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithQueue(1))
		p.Submit(sleeps(time.Second))
		synctest.Wait()
		p.Submit(sleeps(time.Hour))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errGone)
		defer cancel()
		start := time.Now()
		task := p.SubmitContext(ctx, nothing)
		require.Equal(t, time.Second, time.Since(start), "until the second job runs")
		require.ErrorIs(t, task.Wait(t.Context()), errGone)
		require.Equal(t, time.Minute, time.Since(start))
		finish(t, p)
	})
}

// It was not watched while it ran, nor before that, since it started at once.
func TestATaskThatBacksOffAfterALongAttemptEndsWithItsSubmittersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errGone)
		defer cancel()
		start := time.Now()
		task := p.SubmitContext(ctx, func(context.Context) error {
			time.Sleep(time.Second)
			return RetryAfter(time.Hour, errTest)
		})
		err := task.Wait(t.Context())
		require.ErrorIs(t, err, errGone)
		require.ErrorIs(t, err, errTest, "what the attempt failed with is not forgotten")
		require.Equal(t, time.Minute, time.Since(start))
		finish(t, p)
	})
}

// They are watched together, and so are those of contexts that end with it.
func TestAllTasksOfAContextEndWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithQueue(1000))
		p.Submit(sleeps(time.Hour))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errGone)
		defer cancel()
		type key struct{}
		start := time.Now()
		var tasks []*Task
		for i := range 200 {
			parent := ctx
			if i%2 > 0 {
				parent = context.WithValue(ctx, key{}, i)
			}
			tasks = append(tasks, p.SubmitContext(parent, nothing), p.SubmitContext(parent, nothing, After(2*time.Minute)))
			time.Sleep(10 * time.Millisecond)
		}
		for _, task := range tasks {
			require.ErrorIs(t, task.Wait(t.Context()), errGone)
		}
		require.Equal(t, time.Minute, time.Since(start))
		require.Zero(t, p.Stats().Queued+p.Stats().Waiting)
		finish(t, p)
	})
}

// Nobody need be told of a job for which there is no worker, so it is put aside.
// One for which there is a worker is another matter.
func TestAJobForWhichThereIsAWorkerIsNotPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 2)
		p.Submit(sleeps(time.Hour))
		synctest.Wait()
		for range 3 {
			task := p.Submit(nothing)
			synctest.Wait()
			require.Equal(t, StateDone, task.State(), "a worker rests, or may be started")
		}
		finish(t, p)
	})
}

// Jobs of a low priority are handed out in batches, and one of them hands in a
// job that is more urgent.
func TestAJobWithoutAPriorityPassesLessUrgentOnesThatAWorkerHasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		ran, at, taken := 0, 0, int64(0)
		queued := make(chan struct{})
		require.NoError(t, p.Go(func(context.Context) error { <-queued; return nil }))
		for i := range 200 {
			require.NoError(t, p.Go(func(context.Context) error {
				if ran++; i == 100 {
					taken = p.workers[0].unstarted()
					return p.Go(func(context.Context) error { at = ran; return nil })
				}
				return nil
			}, Priority(-1)))
		}
		close(queued)
		require.NoError(t, p.Wait(t.Context()))
		require.Positive(t, taken, "the worker had taken some")
		require.Equal(t, 101, at, "it runs next")
		finish(t, p)
	})
}

func TestAJobThatHasWaitedForLongPassesMoreUrgentOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, opts := range [][]Option{nil, {WithAging(10 * time.Second)}} {
			p := newPool(t, 1, opts...)
			p.Submit(sleeps(time.Second))
			synctest.Wait()
			start := time.Now()
			patient := p.Submit(nothing)
			for range 100 { // there is always one that is more urgent by three
				p.Submit(sleeps(time.Second), Priority(3))
				time.Sleep(time.Second)
			}
			if opts == nil {
				require.Equal(t, StateQueued, patient.State(), "no wait makes it more urgent by default")
			} else {
				require.Equal(t, StateDone, patient.State())
			}
			require.NoError(t, patient.Wait(t.Context()))
			require.LessOrEqual(t, time.Since(start), 110*time.Second)
			finish(t, p)
		}
	})
}

// Those that rest end at once, the others when they come for jobs.
func TestAPoolThatShrinksWhileItsWorkersAreAtWorkRunsFewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 4)
		start := time.Now()
		for range 8 {
			require.NoError(t, p.Go(sleeps(time.Second)))
		}
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, p.Resize(2))
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, 3*time.Second, time.Since(start), "four at first, then two at a time")
		require.Equal(t, 2, p.Stats().Workers)
		finish(t, p)
	})
}

func TestAWorkerThatHasNothingToDoEndsAfterTheIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			opts []Option
			idle time.Duration // 0: they stay
		}{
			{nil, time.Minute},
			{[]Option{WithIdleTimeout(time.Second)}, time.Second},
			{[]Option{WithIdleTimeout(0)}, 0},
		} {
			p := newPool(t, 8, c.opts...)
			for range 2 { // new ones start when there are jobs again
				for range 8 {
					require.NoError(t, p.Go(sleeps(time.Millisecond)))
				}
				time.Sleep(c.idle)
				synctest.Wait()
				require.Equal(t, 8, p.Stats().Workers)
				time.Sleep(time.Millisecond)
				synctest.Wait()
				if c.idle > 0 {
					require.Zero(t, p.Stats().Workers)
				}
			}
			time.Sleep(time.Hour)
			if c.idle == 0 {
				require.Equal(t, 8, p.Stats().Workers)
			}
			finish(t, p)
		}
	})
}

// What the pool had of the job is used again for others, or waits to be.
func TestAJobOfGoThatHasEndedKeepsNothingAlive(t *testing.T) {
	p := newPool(t, 1)
	const jobs = 300
	var freed atomic.Int64
	for range jobs {
		func() {
			big := new([1 << 10]byte)
			runtime.AddCleanup(big, func(int) { freed.Add(1) }, 0)
			require.NoError(t, p.Go(func(context.Context) error { big[0]++; return nil }))
		}()
	}
	require.NoError(t, p.Wait(t.Context()))
	for range 100 { // the runtime cleans up at its leisure
		if freed.Load() == jobs {
			break
		}
		runtime.GC()
		runtime.Gosched()
	}
	require.EqualValues(t, jobs, freed.Load())
	finish(t, p)
}

// Its source says that the claim was closed, which is no news.
func TestTheEndOfAClaimThatNobodyNeedsIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		taken, _ := src.Enqueue(t.Context(), "")
		held, _ := taken.Slot()
		p := newPool(t, 4, WithSlots(src))
		task := p.Submit(nothing)
		synctest.Wait()
		require.Equal(t, 1, p.Stats().InLine)
		task.Cancel()
		time.Sleep(time.Second)
		require.Zero(t, p.Stats().InLine)
		require.Zero(t, p.Stats().FailedClaims)
		require.NoError(t, held.Release())
		finish(t, p)
	})
}
