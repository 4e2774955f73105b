package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestNoMoreJobsRunThanThereAreSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(2)
		p := newPool(t, 8, WithSlots(src))
		start := time.Now()
		for i := range 40 {
			require.NoError(t, p.Go(sleeps(time.Second), Key(fmt.Sprint(i%2))))
		}
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, 10*time.Second, time.Since(start), "two at a time of each key")
		require.Equal(t, 4, src.mostHeld())
		finish(t, p)
	})
}

func TestASlotKeyThatWaitsKeepsNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		taken, err := src.Enqueue(t.Context(), "stuck")
		require.NoError(t, err)
		held, _ := taken.Slot()
		p := newPool(t, 1, WithSlots(src))
		stuck := p.Submit(nothing, Key("stuck"))
		for range 10 {
			require.NoError(t, p.Submit(nothing, Key("free")).Wait(t.Context()))
		}
		require.Equal(t, 1, p.Stats().InLine)
		require.Equal(t, StateQueued, stuck.State())
		require.NoError(t, held.Release())
		require.NoError(t, stuck.Wait(t.Context()))
		finish(t, p)
	})
}

func TestTheMostUrgentJobAtTheGrantIsTheOneThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		taken, _ := src.Enqueue(t.Context(), "k")
		held, _ := taken.Slot()
		p := newPool(t, 2, WithSlots(src))
		var order string
		add := func(name string, opts ...JobOption) *Task {
			return p.Submit(func(context.Context) error { order += name; return nil }, append(opts, Key("k"))...)
		}
		cancelled := add("x")
		add("a")
		synctest.Wait()
		require.Positive(t, p.Stats().InLine)
		add("b", Priority(1))
		cancelled.Cancel()
		require.NoError(t, held.Release())
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, "ba", order)
		finish(t, p)
	})
}

func TestASlotServesLanesThatShareItsKeyInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		taken, err := src.Enqueue(t.Context(), "one")
		require.NoError(t, err)
		held, _ := taken.Slot()
		p := newPool(t, 4, WithSlots(src), WithSlotKey(func(string) string { return "one" }))
		var order string
		for i := range 9 {
			key := string("aaabbbccc"[i])
			require.NoError(t, p.Go(func(context.Context) error { order += key; return nil }, Key(key)))
		}
		require.NoError(t, held.Release()) // when all of them are queued
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, "abcabcabc", order)
		require.Equal(t, 1, src.mostHeld())
		finish(t, p)
	})
}

func TestShortJobsReuseTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		p := newPool(t, 1, WithSlots(src), WithReuse(100*time.Millisecond))
		for range 95 {
			require.NoError(t, p.Go(sleeps(10*time.Millisecond)))
		}
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, 10, src.claimed(), "ten jobs fit into the window")
		s := p.Stats()
		require.EqualValues(t, 85, s.Reused)
		require.EqualValues(t, 10, s.Claims)
		finish(t, p)
	})
}

// Each job comes while the one before runs, when the key has no other.
func TestASlotServesTheJobThatComesWhileTheLastOfItsKeyRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		p := newPool(t, 1, WithSlots(src), WithReuse(time.Second))
		job := sleeps(10 * time.Millisecond)
		require.NoError(t, p.Go(job, Key("a")))
		time.Sleep(5 * time.Millisecond)
		for range 9 {
			require.NoError(t, p.Go(job, Key("a")))
			time.Sleep(10 * time.Millisecond)
		}
		require.NoError(t, p.Wait(t.Context()))
		require.Equal(t, 1, src.claimed())
		require.EqualValues(t, 9, p.Stats().Reused)
		finish(t, p)
	})
}

// The submitter brings each job when the one before has run: the worker lets it
// before it gives the slot back.
func TestASlotServesJobsThatComeOneByOne(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	src := newFake(1)
	p := newPool(t, 1, WithSlots(src), WithReuse(time.Hour))
	ran := make(chan struct{}, 1)
	for range 100 {
		require.NoError(t, p.Go(func(context.Context) error { ran <- struct{}{}; return nil }))
		<-ran
	}
	require.LessOrEqual(t, src.claimed(), 10, "claims for 100 jobs")
	finish(t, p)
}

func TestWithoutReuseEachJobHasAClaimOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, single := range []bool{false, true} {
			src := newFake(2)
			opts := []Option{WithSlots(src), WithReuse(0)}
			if single {
				opts = []Option{WithSlots(slot.MinHold(src, time.Millisecond))}
			}
			p := newPool(t, 2, opts...)
			for range 20 {
				require.NoError(t, p.Go(nothing))
			}
			require.NoError(t, p.Wait(t.Context()))
			require.GreaterOrEqual(t, src.claimed(), 20)
			require.Zero(t, p.Stats().Reused)
			finish(t, p)
			time.Sleep(time.Second)
		}
	})
}

func TestAnotherPoolWaitsAtMostAWindowAndAJobForAReusedSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window, job = 100 * time.Millisecond, 30 * time.Millisecond
		src := newFake(1)
		busy := newPool(t, 4, WithSlots(src), WithReuse(window), WithQueue(1000))
		for range 500 {
			require.NoError(t, busy.Go(sleeps(job)))
		}
		other := newPool(t, 1, WithSlots(src))
		for range 20 {
			time.Sleep(7 * time.Millisecond)
			// busy's own claims are in line before: it waits for those too.
			ahead := busy.Stats().InLine
			start := time.Now()
			require.NoError(t, other.Submit(nothing).Wait(t.Context()))
			require.LessOrEqual(t, time.Since(start), time.Duration(ahead+1)*(window+job))
		}
		finish(t, other)
		finish(t, busy)
	})
}

func TestAGrantThatNoJobNeedsGoesBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		taken, _ := src.Enqueue(t.Context(), "")
		held, _ := taken.Slot()
		p := newPool(t, 1, WithSlots(src))
		task := p.Submit(func(context.Context) error { t.Error("it ran"); return nil })
		synctest.Wait()
		task.Cancel()
		require.NoError(t, held.Release())
		synctest.Wait()
		_, free, err := slot.Try(t.Context(), src.inner, "")
		require.NoError(t, err)
		require.True(t, free)
		finish(t, p)
	})
}

func TestPlacesThatNoJobNeedsAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		taken, _ := src.Enqueue(t.Context(), "")
		held, _ := taken.Slot()
		p := newPool(t, 4, WithSlots(src))
		task := p.Submit(nothing)
		synctest.Wait()
		require.Equal(t, 1, p.Stats().InLine)
		task.Cancel()
		time.Sleep(2 * defaultReuse)
		synctest.Wait()
		require.Zero(t, p.Stats().InLine)
		require.NoError(t, held.Release())
		finish(t, p)
	})
}

func TestAGrantWaitsForTheNextWorkerThatIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		taken, _ := src.Enqueue(t.Context(), "k")
		held, _ := taken.Slot()
		p := newPool(t, 1, WithSlots(src))
		task := p.Submit(nothing, Key("k"))
		synctest.Wait()
		long := p.Submit(sleeps(10*time.Second), Key("long"))
		synctest.Wait()
		require.NoError(t, held.Release()) // granted, but the worker is busy
		time.Sleep(9 * time.Second)
		require.Equal(t, StateQueued, task.State())
		require.Equal(t, 2, p.Stats().Held)
		require.Equal(t, 1, p.Stats().Serving)
		require.NoError(t, long.Wait(t.Context()))
		synctest.Wait()
		require.NoError(t, task.Err())
		require.Equal(t, StateDone, task.State(), "the slot was there, and its job needed no other")
		s := p.Stats()
		require.Zero(t, s.Unneeded)
		require.Equal(t, 20*time.Second, s.HeldTime)
		require.Equal(t, 10*time.Second, s.IdleTime)
		finish(t, p)
	})
}

func TestClaimsInLineAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		var held []slot.Slot
		for i := range 10 {
			taken, _ := src.Enqueue(t.Context(), fmt.Sprint(i))
			s, _ := taken.Slot()
			held = append(held, s)
		}
		p := newPool(t, 8, WithSlots(src), WithMaxClaims(3))
		for i := range 10 {
			p.Submit(nothing, Key(fmt.Sprint(i)))
		}
		time.Sleep(time.Second)
		require.Equal(t, 3, p.Stats().InLine)
		require.NoError(t, p.Submit(nothing, Key("free")).Wait(t.Context()), "a free slot needs no place in line")
		for _, s := range held {
			require.NoError(t, s.Release())
		}
		require.NoError(t, p.Wait(t.Context()))
		finish(t, p)
	})
}

func TestALostSlotEndsTheJobsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		p := newPool(t, 2, WithSlots(src))
		heeds := p.Submit(func(ctx context.Context) error {
			select {
			case <-ctx.Done():
			case <-time.After(time.Hour):
			}
			require.ErrorIs(t, context.Cause(ctx), slot.ErrLost)
			return ctx.Err()
		}, Key("a"))
		polls := p.Submit(func(ctx context.Context) error {
			time.Sleep(time.Second)
			require.Error(t, ctx.Err(), "also without Done")
			require.ErrorIs(t, context.Cause(ctx), slot.ErrLost)
			return nil
		}, Key("b"))
		synctest.Wait()
		src.lose()
		require.ErrorIs(t, heeds.Wait(t.Context()), slot.ErrLost)
		require.NoError(t, polls.Wait(t.Context()), "a nil return is a success even then")
		bare := make(chan error, 1)
		require.NoError(t, p.Go(func(ctx context.Context) error {
			select {
			case <-ctx.Done():
			case <-time.After(time.Hour):
			}
			bare <- context.Cause(ctx)
			return nil
		}))
		synctest.Wait()
		src.lose()
		require.ErrorIs(t, <-bare, slot.ErrLost)
		require.NoError(t, p.Wait(t.Context()))
		synctest.Wait()
		s := p.Stats()
		require.EqualValues(t, 1, s.Lost)
		require.EqualValues(t, 2, s.LostButOK)
		require.EqualValues(t, 3, s.LostSlots)
		finish(t, p)
	})
}

func TestALostSlotIsNotReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		p := newPool(t, 1, WithSlots(src))
		first := p.Submit(sleeps(time.Millisecond))
		second := p.Submit(nothing)
		synctest.Wait()
		src.lose()
		require.ErrorIs(t, first.Wait(t.Context()), slot.ErrLost)
		require.NoError(t, second.Wait(t.Context()))
		require.Equal(t, 2, src.claimed())
		finish(t, p)
	})
}

// The grant comes while the only worker is busy, and nobody watches it.
func TestASlotThatIsLostBeforeAWorkerIsFreeServesNoJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		taken, _ := src.Enqueue(t.Context(), "k")
		held, _ := taken.Slot()
		p := newPool(t, 1, WithSlots(src))
		task := p.Submit(func(ctx context.Context) error { return context.Cause(ctx) }, Key("k"))
		synctest.Wait()
		busy := p.Submit(func(context.Context) error { time.Sleep(50 * time.Millisecond); return nil }, Key("busy"))
		synctest.Wait()
		require.NoError(t, held.Release())
		time.Sleep(20 * time.Millisecond)
		src.lose()
		require.NoError(t, busy.Wait(t.Context()))
		require.NoError(t, task.Wait(t.Context()))
		require.Equal(t, 4, src.claimed(), "one by the test, one for each job, and one for the lost slot")
		finish(t, p)
	})
}

func TestARetryGivesTheSlotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		p := newPool(t, 1, WithSlots(src))
		start := time.Now()
		tries := 0
		retried := p.Submit(func(context.Context) error {
			if tries++; tries < 3 {
				return RetryAfter(time.Minute, errTest)
			}
			return nil
		})
		synctest.Wait()
		require.Equal(t, StateWaiting, retried.State())
		require.NoError(t, p.Submit(nothing).Wait(t.Context()), "with one worker and one slot")
		require.Zero(t, time.Since(start))
		synctest.Wait()
		require.Zero(t, p.Stats().Held)
		require.NoError(t, retried.Wait(t.Context()))
		require.Equal(t, 2*time.Minute, time.Since(start))
		require.EqualValues(t, 2, p.Stats().Retries)

		tries = 0
		require.NoError(t, p.Go(func(context.Context) error {
			if tries++; tries < 2 {
				return fmt.Errorf("wrapped: %w", RetryAfter(time.Minute, errTest))
			}
			return errors.New("the end")
		}))
		require.ErrorContains(t, p.Wait(t.Context()), "the end")
		require.Equal(t, 3*time.Minute, time.Since(start))
		finish(t, p)
	})
}

func TestACancelEndsABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		task := p.Submit(func(context.Context) error { return RetryAfter(time.Hour, errTest) })
		synctest.Wait()
		task.Cancel()
		require.Equal(t, StateDone, task.State())
		require.ErrorIs(t, task.Err(), errTest)
		require.ErrorIs(t, task.Err(), ErrCanceled)
		ctx, cancel := context.WithCancelCause(t.Context())
		task = p.SubmitContext(ctx, func(context.Context) error { cancel(errors.New("gone")); return RetryAfter(time.Hour, errTest) })
		require.ErrorContains(t, task.Wait(t.Context()), "gone", "no attempt will follow, so nothing waits for it")
		finish(t, p)
	})
}

func TestAJobAtLimitOneCanWaitForItsChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		p := newPool(t, 1, WithSlots(src))
		err := p.Submit(func(ctx context.Context) error {
			child := p.SubmitContext(ctx, func(ctx context.Context) error {
				info, _ := FromContext(ctx)
				if !info.HasSlot {
					return errors.New("the child must run under the slot of its parent")
				}
				return nil
			}, Key("k"))
			return child.Wait(ctx)
		}, Key("k")).Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, src.claimed())
		err = p.Submit(func(ctx context.Context) error {
			return p.SubmitContext(ctx, nothing, Key("other")).Wait(ctx)
		}, Key("k")).Wait(t.Context())
		require.NoError(t, err, "a child under another slot key runs on a lent worker")
		finish(t, p)
	})
}

func TestAnUnavailableSourceIsTriedFiveTimesASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		src.setFail(func(string) error { return slot.ErrUnavailable })
		p := newPool(t, 8, WithSlots(src))
		var tasks []*Task
		for range 50 {
			tasks = append(tasks, p.Submit(nothing))
		}
		time.Sleep(10*time.Second + time.Millisecond)
		require.LessOrEqual(t, src.claimed(), 8+5*10, "after the first failures")
		require.GreaterOrEqual(t, src.claimed(), 50)
		src.setFail(nil)
		start := time.Now()
		for _, task := range tasks {
			require.NoError(t, task.Wait(t.Context()), "it waits until the source is back")
		}
		require.LessOrEqual(t, time.Since(start), 200*time.Millisecond)
		finish(t, p)
	})
}

func TestFailAfterEndsTheWaitForASource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		src.setFail(func(string) error { return slot.ErrUnavailable })
		p := newPool(t, 2, WithSlots(src), FailAfter(5*time.Second))
		start := time.Now()
		require.ErrorIs(t, p.Submit(nothing).Wait(t.Context()), slot.ErrUnavailable)
		require.GreaterOrEqual(t, time.Since(start), 5*time.Second)
		require.LessOrEqual(t, time.Since(start), 5*time.Second+200*time.Millisecond)
		src.setFail(nil)
		require.NoError(t, p.Submit(nothing).Wait(t.Context()))
		finish(t, p)
	})
}

type permanentError struct{}

func (permanentError) Error() string   { return "wrong secret" }
func (permanentError) Permanent() bool { return true }

func TestAClaimThatCannotSucceedFailsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		src.setFail(func(key string) error {
			switch key {
			case "bad":
				return fmt.Errorf("%w: too long", slot.ErrKey)
			case "secret":
				return permanentError{}
			case "panic":
				panic("in the source")
			}
			return nil
		})
		p := newPool(t, 2, WithSlots(src))
		require.ErrorIs(t, p.Submit(nothing, Key("bad")).Wait(t.Context()), slot.ErrKey)
		require.ErrorAs(t, p.Submit(nothing, Key("secret")).Wait(t.Context()), &permanentError{})
		err := p.Submit(nothing, Key("panic")).Wait(t.Context())
		require.ErrorIs(t, err, ErrSourcePanic)
		require.ErrorContains(t, err, "in the source")
		require.NoError(t, p.Go(nothing, Key("bad")))
		require.ErrorIs(t, p.Wait(t.Context()), slot.ErrKey)
		require.NoError(t, p.Submit(nothing, Key("good")).Wait(t.Context()))
		finish(t, p)
	})
}

func TestAJobThatIgnoresItsContextIsReportedAndItsSlotLeftToItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		reported := make(chan JobEvent, 9)
		p := newPool(t, 1, WithSlots(src), WithGrace(30*time.Second), WithHooks(Hooks{
			Overrun: func(_ context.Context, e JobEvent) { reported <- e },
		}))
		start := time.Now()
		task := p.Submit(func(context.Context) error { time.Sleep(time.Minute); return nil }, Name("deaf"))
		synctest.Wait()
		task.Cancel()
		time.Sleep(29 * time.Second)
		synctest.Wait()
		require.Empty(t, reported)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, reported, 1)
		e := <-reported
		require.Equal(t, "deaf", e.Name)
		require.Equal(t, start.Add(30*time.Second), e.At)
		require.Equal(t, 1, src.abandonments())
		require.Equal(t, 1, p.Stats().Held, "it is not released while the job runs")
		require.NoError(t, task.Wait(t.Context()))
		require.EqualValues(t, 1, p.Stats().Overruns)

		lost := p.Submit(func(context.Context) error { time.Sleep(time.Minute); return nil })
		synctest.Wait()
		src.lose()
		require.NoError(t, lost.Wait(t.Context()))
		require.EqualValues(t, 2, p.Stats().Overruns, "the same after a loss")
		finish(t, p)
	})
}

func TestManyLanesFewSlotsAndRandomLengthsAllEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(2)
		global := slot.NewLocal(5)
		p := newPool(t, 16, WithSlots(slot.All(src, global)), WithMaxClaims(4))
		var running, most atomic.Int64
		for i := range 2000 {
			job := func(ctx context.Context) error {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				return sleeps(time.Duration(i*7919%50) * time.Millisecond)(ctx)
			}
			require.NoError(t, p.Go(job, Key(fmt.Sprint(i%37))))
		}
		require.NoError(t, p.Wait(t.Context()))
		require.LessOrEqual(t, most.Load(), int64(5))
		finish(t, p)
	})
}
