package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestShutdownLetsAcceptedJobsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocalKeyed(1)
		p := newPool(t, 2, WithSlots(src))
		var tasks []*Task
		for range 10 {
			tasks = append(tasks, p.Submit(sleeps(time.Second)))
		}
		start := time.Now()
		require.NoError(t, p.Shutdown(t.Context()))
		require.Equal(t, 10*time.Second, time.Since(start))
		for _, task := range tasks {
			require.Equal(t, StateDone, task.State())
			require.NoError(t, task.Err())
		}
		requireBalance(t, p)
		require.NoError(t, p.Shutdown(t.Context()), "again")
	})
}

func TestShutdownEndsWhatBacksOffWithItsLastError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		backsOff := p.Submit(func(context.Context) error { return RetryAfter(time.Hour, errTest) })
		waits := p.Submit(nothing, After(time.Hour))
		synctest.Wait()
		running := p.Submit(func(context.Context) error { time.Sleep(time.Second); return RetryAfter(0, errTest) })
		synctest.Wait()
		start := time.Now()
		require.NoError(t, p.Shutdown(t.Context()))
		require.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, backsOff.Err(), errTest)
		require.ErrorIs(t, backsOff.Err(), ErrShutdown)
		require.ErrorIs(t, waits.Err(), ErrShutdown)
		require.ErrorIs(t, running.Err(), errTest)
		require.ErrorIs(t, running.Err(), ErrShutdown)
		requireBalance(t, p)
	})
}

func TestAForcedShutdownCancelsWhatRunsAndEndsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		taken, _ := src.Enqueue(t.Context(), "stuck")
		held, _ := taken.Slot()
		p := newPool(t, 2, WithSlots(src))
		running := p.Submit(func(ctx context.Context) error {
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), ErrShutdown)
			return ctx.Err()
		}, Key("a"))
		require.NoError(t, p.Go(sleeps(time.Hour), Key("b")))
		synctest.Wait()
		stuck := p.Submit(nothing, Key("stuck"))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTest)
		defer cancel()
		start := time.Now()
		err := p.Shutdown(ctx)
		require.ErrorIs(t, err, errTest)
		require.ErrorIs(t, err, ErrShutdown, "the result of the Go job")
		require.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, running.Err(), ErrShutdown)
		require.ErrorIs(t, stuck.Err(), ErrShutdown)
		requireBalance(t, p)
		require.NoError(t, held.Release())
	})
}

func TestShutdownReturnsInTimeAndCountsTheJobsThatIgnoreIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 3)
		for range 2 {
			require.NoError(t, p.Go(func(context.Context) error { time.Sleep(time.Hour); return nil }))
		}
		task := p.Submit(func(context.Context) error { time.Sleep(time.Hour); return nil })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := p.Shutdown(ctx)
		require.Equal(t, time.Second+lastMoment, time.Since(start))
		require.ErrorContains(t, err, "3 jobs still run")
		require.NoError(t, task.Wait(t.Context()), "it ends some time")
		require.NoError(t, p.Shutdown(t.Context()))
		requireBalance(t, p)
	})
}

func TestShutdownReturnsInTimeWithASourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 2, WithSlots(hangingSource{}))
		task := p.Submit(nothing)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
		require.LessOrEqual(t, time.Since(start), time.Second+lastMoment)
		require.ErrorIs(t, task.Err(), ErrShutdown)
	})
}

// A hangingSource answers nothing until its caller gives up.
type hangingSource struct{}

func (hangingSource) Enqueue(ctx context.Context, _ string) (slot.Ticket, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func (hangingSource) Close(context.Context) error { return nil }

func TestShutdownIsSafeAtEveryStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for stage := range 40 {
			src := newFake(1)
			p := newPool(t, 2, WithSlots(src))
			var tasks []*Task
			for i := range 10 {
				tasks = append(tasks, p.Submit(sleeps(10*time.Millisecond), Key(string(rune('a'+i%3))), After(time.Duration(i%2)*20*time.Millisecond)))
			}
			time.Sleep(time.Duration(stage) * time.Millisecond)
			if stage%2 == 0 {
				src.lose()
			}
			done := make(chan struct{})
			for range 3 {
				go func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(stage%5)*10*time.Millisecond)
					defer cancel()
					_ = p.Shutdown(ctx)
					done <- struct{}{}
				}()
			}
			for range 3 {
				<-done
			}
			for _, task := range tasks {
				require.Equal(t, StateDone, task.State())
			}
			requireBalance(t, p)
		}
	})
}

func TestAnUnusedPoolShutsDownAtOnce(t *testing.T) {
	p := newPool(t, 3)
	finish(t, p)
}
