package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestATaskTellsItsStateAndResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		first := p.Submit(sleeps(time.Second))
		second := p.Submit(func(context.Context) error { return errTest })
		later := p.Submit(nothing, After(time.Hour))
		synctest.Wait()
		require.Equal(t, StateRunning, first.State())
		require.Equal(t, StateQueued, second.State())
		require.Equal(t, StateWaiting, later.State())
		require.NoError(t, second.Err(), "no result yet")
		<-second.Done()
		require.Equal(t, StateDone, second.State())
		require.ErrorIs(t, second.Err(), errTest)
		require.ErrorIs(t, second.Wait(t.Context()), errTest)
		require.NoError(t, first.Err())
		require.Equal(t, "waiting queued running done",
			StateWaiting.String()+" "+StateQueued.String()+" "+StateRunning.String()+" "+StateDone.String())
		finish(t, p)
		require.ErrorIs(t, later.Err(), ErrShutdown)
	})
}

func TestAWaitThatIsGivenUpLeavesTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		task := p.Submit(sleeps(time.Minute))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTest)
		defer cancel()
		require.ErrorIs(t, task.Wait(ctx), errTest)
		require.NoError(t, task.Wait(t.Context()))
		finish(t, p)
	})
}

func TestCancelEndsATaskWhereverItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		never := func(context.Context) error { t.Error("a cancelled job ran"); return nil }
		running := p.Submit(sleeps(time.Hour))
		synctest.Wait()
		queued := p.Submit(never)
		waiting := p.Submit(never, After(time.Minute))
		for _, task := range []*Task{queued, waiting} {
			task.Cancel()
			require.Equal(t, StateDone, task.State(), "at once")
			require.ErrorIs(t, task.Err(), ErrCanceled)
			require.ErrorIs(t, task.Err(), context.Canceled)
			task.Cancel()
		}
		require.EqualValues(t, 0, p.Stats().Queued)
		running.Cancel()
		err := running.Wait(t.Context())
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, ErrCanceled, "an error after the end of the context is joined with its cause")
		running.Cancel()
		finish(t, p)
		require.EqualValues(t, 3, p.Stats().Canceled)
	})
}

func TestCancelledTasksDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		p.Submit(sleeps(time.Hour))
		synctest.Wait()
		before := liveHeap()
		for range 10_000 {
			p.Submit(nothing, Key("x")).Cancel()
			p.Submit(nothing).Cancel()
		}
		require.Less(t, int64(liveHeap())-int64(before), int64(100_000))
		finish(t, p)
	})
}

func TestAQueuedTaskWhoseContextEndedIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		p.Submit(sleeps(time.Minute))
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		task := p.SubmitContext(ctx, func(context.Context) error { t.Error("it ran"); return nil })
		cancel(errTest)
		require.ErrorIs(t, task.Wait(t.Context()), errTest)
		finish(t, p)
	})
}

func TestAPanicEndsItsOwnJobOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		for range 3 {
			var panicked *PanicError
			err := p.Submit(func(context.Context) error { panic(errTest) }).Wait(t.Context())
			require.ErrorAs(t, err, &panicked)
			require.Equal(t, errTest, panicked.Value)
			require.ErrorIs(t, err, errTest)
			require.Contains(t, string(panicked.Stack), "TestAPanicEndsItsOwnJobOnly")
			require.NotContains(t, err.Error(), "goroutine", "the stack is for those who ask")
			require.NoError(t, p.Submit(nothing).Wait(t.Context()))
		}
		require.NoError(t, p.Go(func(context.Context) error { panic("of Go") }))
		require.ErrorContains(t, p.Wait(t.Context()), "of Go")
		finish(t, p)
		require.EqualValues(t, 4, p.Stats().Panicked)
	})
}

func TestGoexitEndsItsOwnJobOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		for range 3 {
			require.ErrorIs(t, p.Submit(func(context.Context) error { runtime.Goexit(); return nil }).Wait(t.Context()), ErrGoexit)
			require.NoError(t, p.Submit(nothing).Wait(t.Context()))
		}
		require.NoError(t, p.Go(func(context.Context) error { runtime.Goexit(); return nil }))
		require.ErrorIs(t, p.Wait(t.Context()), ErrGoexit)
		finish(t, p)
	})
}

func TestErrorsOfGoAreKeptUntilSomebodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 4)
		for range 20 {
			require.NoError(t, p.Go(func(context.Context) error { return errTest }))
		}
		err := p.Wait(t.Context())
		require.ErrorIs(t, err, errTest)
		require.ErrorContains(t, err, "4 more jobs failed")
		var joined interface{ Unwrap() []error }
		require.ErrorAs(t, err, &joined)
		require.Len(t, joined.Unwrap(), 17)
		require.NoError(t, p.Wait(t.Context()), "they are told once")
		require.NoError(t, p.Go(func(context.Context) error { return errTest }))
		require.ErrorIs(t, p.Shutdown(t.Context()), errTest)
	})
}

func TestTheErrorHandlerGetsWhatGoFailsWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []error
		p := newPool(t, 1, WithErrorHandler(func(err error) {
			got = append(got, err)
			panic("in the handler")
		}))
		require.NoError(t, p.Go(func(context.Context) error { return errTest }))
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, []error{errTest}, got)
		require.EqualValues(t, 1, p.Stats().HookPanics)
		finish(t, p)
	})
}

func TestAJobAtTheOnlyWorkerCanWaitForItsChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, WithQueue(1))
		var order string
		err := p.Submit(func(ctx context.Context) error {
			var children []*Task
			for range 5 { // more than there is room for: a submit from inside never blocks
				children = append(children, p.SubmitContext(ctx, func(context.Context) error { order += "c"; return nil }))
			}
			for _, child := range children {
				if err := child.Wait(ctx); err != nil {
					return err
				}
			}
			order += "p"
			return nil
		}).Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, "cccccp", order)
		finish(t, p)
	})
}

func TestNestedWaitsGoDeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 2)
		var nest func(depth int) Job
		nest = func(depth int) Job {
			return func(ctx context.Context) error {
				if depth == 0 {
					return errTest
				}
				return p.SubmitContext(ctx, nest(depth-1)).Wait(ctx)
			}
		}
		require.ErrorIs(t, p.Submit(nest(50)).Wait(t.Context()), errTest)
		finish(t, p)
	})
}

func TestAJobThatWaitsForARunningOneLendsItsWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		start := time.Now()
		err := p.Submit(func(ctx context.Context) error {
			child := p.SubmitContext(ctx, nothing, After(time.Second)) // cannot run on this goroutine yet
			return child.Wait(ctx)
		}).Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(start))
		synctest.Wait()
		require.Equal(t, 1, p.Stats().Workers, "the extra worker has gone")
		finish(t, p)
	})
}

func TestAPanicOfAChildStaysInTheChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		err := p.Submit(func(ctx context.Context) error {
			err := p.SubmitContext(ctx, func(context.Context) error { panic("child") }).Wait(ctx)
			var panicked *PanicError
			if !errors.As(err, &panicked) {
				return err
			}
			return nil
		}).Wait(t.Context())
		require.NoError(t, err)
		finish(t, p)
	})
}

func TestWaitAndShutdownFromInsideAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		require.ErrorIs(t, p.Submit(p.Wait).Wait(t.Context()), ErrInside)
		require.ErrorIs(t, p.Submit(p.Shutdown).Wait(t.Context()), ErrInside)
		require.NoError(t, p.Go(p.Shutdown))
		require.ErrorIs(t, p.Wait(t.Context()), ErrInside)
		finish(t, p)
	})
}

func TestAJobThatOutlivesTheOneThatWaitsForItEndsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		var leaked context.Context
		require.NoError(t, p.Go(func(ctx context.Context) error { leaked = ctx; return nil }))
		require.NoError(t, p.Wait(t.Context()))
		p.Submit(sleeps(time.Second))
		synctest.Wait()
		child := p.Submit(sleeps(2 * time.Second))
		go func() { _ = child.Wait(leaked) }() // runs it here, and no worker is told when it ends
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, StateDone, child.State())
		finish(t, p)
	})
}

func TestTheGoroutinesOfAJobRunItsChildrenOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		for _, opts := range [][]Option{nil, {WithSlots(src)}} {
			p := newPool(t, 1, opts...)
			var running, most atomic.Int64
			child := func(ctx context.Context) error {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				return sleeps(time.Second)(ctx)
			}
			start := time.Now()
			err := p.Submit(func(ctx context.Context) error {
				errs := make(chan error)
				for range 4 {
					task := p.SubmitContext(ctx, child)
					go func() { errs <- task.Wait(ctx) }()
				}
				var all error
				for range 4 {
					all = errors.Join(all, <-errs)
				}
				return all
			}).Wait(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 1, most.Load(), "the job has one worker and one slot")
			require.Equal(t, 4*time.Second, time.Since(start))
			p.lock()
			require.Empty(t, p.nests)
			p.unlock()
			finish(t, p)
		}
	})
}

func TestATurnThatIsWaitedForCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		err := p.Submit(func(ctx context.Context) error {
			long, short := p.SubmitContext(ctx, sleeps(time.Minute)), p.SubmitContext(ctx, nothing)
			done := make(chan error)
			go func() { done <- long.Wait(ctx) }()
			time.Sleep(time.Second)
			patience, cancel := context.WithTimeoutCause(ctx, time.Second, errTest)
			defer cancel()
			if err := short.Wait(patience); !errors.Is(err, errTest) {
				return fmt.Errorf("waited, and got %w", err)
			}
			return <-done
		}).Wait(t.Context())
		require.NoError(t, err)
		finish(t, p)
	})
}

func TestWhoAsksAsTheJobEndsIsTold(t *testing.T) {
	p := newPool(t, 4)
	for range 5_000 {
		var left context.Context
		task := p.Submit(func(ctx context.Context) error { left = ctx; return nil })
		var asked sync.WaitGroup
		asked.Go(func() { <-task.Done() })
		require.NoError(t, task.Wait(t.Context()))
		asked.Go(func() { <-left.Done() })
		asked.Wait()
		require.ErrorIs(t, left.Err(), context.Canceled)
		require.ErrorIs(t, context.Cause(left), context.Canceled)
	}
}

func TestAContextAskedForAsTheJobEndsEnds(t *testing.T) {
	p := newPool(t, 4)
	contexts := make(chan context.Context)
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for ctx := range contexts {
				<-ctx.Done()
			}
		})
	}
	for range 20_000 {
		p.Submit(func(ctx context.Context) error {
			contexts <- ctx
			return nil
		})
	}
	require.NoError(t, p.Wait(t.Context()))
	close(contexts)
	asking.Wait()
}

func TestWhoHasWaitedForThePoolFindsEveryResult(t *testing.T) {
	p := newPool(t, 4)
	for range 5_000 {
		tasks := []*Task{p.Submit(nothing), p.Submit(nothing), p.Submit(nothing, Key("k"))}
		require.NoError(t, p.Wait(t.Context()))
		for _, task := range tasks {
			require.Equal(t, StateDone, task.State())
		}
	}
}

func TestWhoHasWaitedForATaskFindsItCounted(t *testing.T) {
	p := newPool(t, 4)
	for n := range int64(5_000) {
		require.NoError(t, p.Submit(nothing).Wait(t.Context()))
		require.Equal(t, n+1, p.Stats().Finished)
	}
}

func TestACancelThatMeetsARetryEndsTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var task *Task
		p := newPool(t, 1, WithHooks(Hooks{Retry: func(context.Context, RetryEvent) { task.Cancel() }}))
		ran := 0
		ready := make(chan struct{})
		task = p.Submit(func(context.Context) error {
			<-ready
			ran++
			return RetryAfter(time.Hour, errTest)
		})
		begun := time.Now()
		close(ready)
		err := task.Wait(t.Context())
		require.ErrorIs(t, err, ErrCanceled)
		require.ErrorIs(t, err, errTest, "why the attempt before failed")
		require.Zero(t, time.Since(begun), "it does not wait for its backoff to end")
		require.Equal(t, 1, ran)
		finish(t, p)
	})
}

func TestATaskCanBeCancelledAsItAsksForItsFirstRetry(t *testing.T) {
	p := newPool(t, 4)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 20_000 {
		running := make(chan struct{})
		task := p.Submit(func(context.Context) error {
			close(running)
			return RetryAfter(time.Hour, errTest)
		})
		<-running
		task.Cancel()
		require.ErrorIs(t, task.Wait(ctx), ErrCanceled)
	}
	finish(t, p)
}
