package pool

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/goroutines"
)

func TestEveryJobRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 3)
		var ran atomic.Int64
		for i := range 5000 {
			require.NoError(t, p.Go(func(context.Context) error { ran.Add(1); return nil }, Key(fmt.Sprint(i%7))))
		}
		require.NoError(t, p.Wait(t.Context()))
		require.EqualValues(t, 5000, ran.Load())
		finish(t, p)
	})
}

func TestNoMoreJobsRunAtOnceThanThereAreWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 4)
		start := time.Now()
		for range 40 {
			require.NoError(t, p.Go(sleeps(time.Second)))
		}
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, 10*time.Second, time.Since(start), "four at a time, no fewer and no more")
		finish(t, p)
	})
}

func TestSubmitBlocksWhileTheLaneIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithQueue(2))
		for range 3 { // one runs, two wait
			p.Submit(sleeps(time.Second))
			synctest.Wait()
		}
		start := time.Now()
		p.Submit(nothing)
		require.Equal(t, time.Second, time.Since(start))
		finish(t, p)
	})
}

func TestBlockedSubmitsAreAdmittedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithQueue(1))
		p.Submit(sleeps(time.Second))
		synctest.Wait()
		var order []int
		for i := range 10 {
			go p.Submit(func(context.Context) error { order = append(order, i); return nil })
			synctest.Wait()
		}
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
		finish(t, p)
	})
}

func TestAnEmptyLaneIsAlwaysAdmittedOneJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithQueue(4), WithQueueTotal(4))
		p.Submit(sleeps(time.Second))
		synctest.Wait()
		for range 4 {
			_, err := p.TrySubmit(nothing, Key("full"))
			require.NoError(t, err)
		}
		_, err := p.TrySubmit(nothing, Key("full"))
		require.ErrorIs(t, err, ErrQueueFull)
		_, err = p.TrySubmit(nothing, Key("other"))
		require.NoError(t, err, "a stuck lane never stops another's submit")
		_, err = p.TrySubmit(nothing, Key("other"))
		require.ErrorIs(t, err, ErrQueueFull, "but the total bounds the second")
		finish(t, p)
	})
}

func TestRoomInAllIsGivenToTheLaneThatWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithQueue(10), WithQueueTotal(2))
		p.Submit(sleeps(time.Second))
		synctest.Wait()
		p.Submit(sleeps(time.Second), Key("a"))
		p.Submit(sleeps(time.Second), Key("b"))
		start := time.Now()
		p.Submit(nothing, Key("b"))
		require.Equal(t, time.Second, time.Since(start), "when the job of lane a has left its lane")
		finish(t, p)
	})
}

func TestARefusedJobNeverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithQueue(1))
		never := func(context.Context) error { t.Error("a refused job ran"); return nil }
		p.Submit(sleeps(time.Minute))
		synctest.Wait()
		p.Submit(sleeps(time.Second))

		_, err := p.TrySubmit(never)
		require.ErrorIs(t, err, ErrQueueFull)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTest)
		defer cancel()
		require.ErrorIs(t, p.SubmitContext(ctx, never).Wait(t.Context()), errTest)

		blocked := make(chan error)
		go func() { blocked <- p.Submit(never).Wait(t.Context()) }()
		synctest.Wait()
		go func() { _ = p.Shutdown(context.Background()) }()
		require.ErrorIs(t, <-blocked, ErrClosed)
		require.ErrorIs(t, p.Submit(never).Err(), ErrClosed)
		require.ErrorIs(t, p.Go(never), ErrClosed)
		_, err = p.TrySubmit(never)
		require.ErrorIs(t, err, ErrClosed)
		finish(t, p)
	})
}

func TestANilJobIsRefused(t *testing.T) {
	p := newPool(t, 1)
	require.ErrorIs(t, p.Submit(nil).Wait(t.Context()), ErrNilJob)
	require.ErrorIs(t, p.Go(nil), ErrNilJob)
	_, err := p.TrySubmit(nil)
	require.ErrorIs(t, err, ErrNilJob)
	finish(t, p)
}

func TestALaneOfManyJobsDelaysAnotherByOneJob(t *testing.T) {
	const many = 100_000
	synctest.Test(t, func(t *testing.T) {
		for _, workers := range []int{1, 2} {
			p := newPool(t, workers, WithQueue(many))
			for range many {
				require.NoError(t, p.Go(sleeps(time.Millisecond), Key("many")))
			}
			time.Sleep(10*time.Millisecond + 300*time.Microsecond)
			start := time.Now()
			var waited time.Duration
			task := p.Submit(func(context.Context) error { waited = time.Since(start); return nil }, Key("one"))
			require.NoError(t, task.Wait(t.Context()))
			require.LessOrEqual(t, waited, time.Millisecond)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.Error(t, p.Shutdown(ctx))
			requireBalance(t, p)
		}
	})
}

func TestLanesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		p.Submit(sleeps(time.Second))
		synctest.Wait()
		var order string
		for i := range 9 {
			key := string("aaabbbccc"[i])
			p.Submit(func(context.Context) error { order += key; return nil }, Key(key))
		}
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, "abcabcabc", order)
		finish(t, p)
	})
}

func TestTheMostUrgentJobOfALaneRunsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		p.Submit(sleeps(time.Second))
		synctest.Wait()
		var order string
		add := func(name string, priority int) {
			require.NoError(t, p.Go(func(context.Context) error { order += name; return nil }, Priority(priority)))
		}
		for _, name := range []string{"a", "b", "c"} {
			add(name, 0)
			add("-"+name, -1)
			add("+"+name, 1)
		}
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, "+a+b+cabc-a-b-c", order)
		finish(t, p)
	})
}

func TestAnUrgentJobPassesThoseThatAWorkerHasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		for range 200 {
			require.NoError(t, p.Go(sleeps(time.Second)))
		}
		time.Sleep(500 * time.Millisecond)
		start := time.Now()
		require.NoError(t, p.Submit(nothing, Priority(1)).Wait(t.Context()))
		require.Equal(t, 500*time.Millisecond, time.Since(start), "after the job that runs")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, p.Shutdown(ctx))
	})
}

func TestWhatAWorkerHasTakenIsNotStuckBehindASlowJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 2)
		start := time.Now()
		hour := p.Submit(sleeps(time.Hour))
		for range 100 {
			require.NoError(t, p.Go(sleeps(time.Second)))
		}
		slow := p.Submit(sleeps(time.Hour), Priority(-1))
		time.Sleep(100 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 100, p.Stats().Finished)
		require.NoError(t, hour.Wait(t.Context()))
		require.NoError(t, slow.Wait(t.Context()))
		require.Equal(t, 100*time.Second+time.Hour, time.Since(start))
		finish(t, p)
	})
}

func TestAJobWithAfterRunsNoSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		start := time.Now()
		var order []time.Duration
		note := func(context.Context) error { order = append(order, time.Since(start)); return nil }
		p.Submit(note, After(3*time.Second))
		p.Submit(note, After(time.Second))
		require.NoError(t, p.Go(note, After(2*time.Second)))
		p.Submit(note, After(-time.Second))
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}, order)
		finish(t, p)
	})
}

func TestResizeChangesHowManyRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		require.Error(t, p.Resize(0))
		start := time.Now()
		for range 4 {
			require.NoError(t, p.Go(sleeps(time.Second)))
		}
		require.NoError(t, p.Resize(4))
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, time.Second, time.Since(start))
		require.NoError(t, p.Resize(2))
		synctest.Wait()
		require.Equal(t, 2, p.Stats().Workers)
		for range 4 {
			require.NoError(t, p.Go(sleeps(time.Second)))
		}
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, 3*time.Second, time.Since(start))
		finish(t, p)
		require.ErrorIs(t, p.Resize(3), ErrClosed)
	})
}

func TestQueuedJobsCostNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 2, WithQueue(200_000))
		block := make(chan struct{})
		for range 2 {
			p.Submit(func(context.Context) error { <-block; return nil })
		}
		synctest.Wait()
		before := goroutines.InBubble(t)
		for range 50_000 {
			p.Submit(nothing)
			_ = p.Go(nothing)
		}
		synctest.Wait()
		require.Equal(t, before, goroutines.InBubble(t))
		close(block)
		finish(t, p)
	})
}

func TestWaitReturnsWhenNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 2)
		require.NoError(t, p.Wait(t.Context()), "an idle pool")
		p.Submit(sleeps(time.Minute))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTest)
		defer cancel()
		require.ErrorIs(t, p.Wait(ctx), errTest)
		start := time.Now()
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, 59*time.Second, time.Since(start))
		require.NoError(t, p.Submit(nothing).Wait(t.Context()), "it is still open")
		finish(t, p)
	})
}
