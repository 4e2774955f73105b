package pool

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// script records what hooks are told, in order.
type script struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (s *script) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *script) hooks(start time.Time) Hooks {
	at := func(x time.Time) time.Duration { return x.Sub(start) }
	return Hooks{
		Submitted: func(_ context.Context, e JobEvent) { *e.State = 1; s.add("submitted %s", e.Name) },
		Start: func(ctx context.Context, e StartEvent) context.Context {
			*e.State = (*e.State).(int) + 1
			s.add("start %s #%d at %v ready %v reused %v single %v", e.Name, e.Attempt, at(e.At), at(e.Ready), e.Reused, e.SingleUse)
			return context.WithValue(ctx, testKey{}, e.Name)
		},
		Retry: func(ctx context.Context, e RetryEvent) {
			s.add("retry %v in %v: %v", ctx.Value(testKey{}), e.Delay, e.Err)
		},
		Finish: func(ctx context.Context, e FinishEvent) {
			s.add("finish %s at %v running %v lost %v state %v: %v", e.Name, at(e.At), e.Running, e.Lost, *e.State, e.Err)
		},
		Enqueue:  func(ctx context.Context, e SlotEvent) context.Context { s.add("enqueue %s", e.Key); return ctx },
		Queued:   func(e SlotEvent) { s.add("queued %s", e.Key) },
		Granted:  func(e SlotEvent) { s.add("granted %s", e.Key) },
		Released: func(e SlotEvent) { s.add("released %s: %v", e.Key, e.Err) },
		Lost:     func(e SlotEvent) { s.add("lost %s: %v", e.Key, e.Err) },
		Failed:   func(e SlotEvent) { s.add("failed %s: %v", e.Key, e.Err) },
	}
}

func TestHooksTellTheWholeStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s script
		src := newFake(1)
		p := newPool(t, 1, WithSlots(src), WithHooks(s.hooks(time.Now())))
		tries := 0
		task := p.Submit(func(ctx context.Context) error {
			require.Equal(t, "one", ctx.Value(testKey{}), "the job has the context that Start returned")
			time.Sleep(time.Second)
			if tries++; tries == 1 {
				return RetryAfter(time.Minute, errTest)
			}
			return nil
		}, Name("one"), Key("k"))
		require.NoError(t, task.Wait(t.Context()))
		synctest.Wait()
		require.Equal(t, []string{
			"submitted one",
			"enqueue k", "granted k",
			"start one #1 at 0s ready 0s reused false single false",
			"retry one in 1m0s: it did not work",
			"released k: <nil>",
			"enqueue k", "granted k",
			"start one #2 at 1m1s ready 1m1s reused false single false",
			"finish one at 1m2s running true lost false state 3: <nil>",
			"released k: <nil>",
		}, s.lines)
		finish(t, p)
	})
}

func TestHooksTellOfALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s script
		src := newFake(1)
		p := newPool(t, 1, WithSlots(src), WithHooks(s.hooks(time.Now())))
		require.NoError(t, p.Go(sleeps(time.Hour), Name("go")))
		synctest.Wait()
		src.lose()
		require.Error(t, p.Wait(t.Context()))
		synctest.Wait()
		story := strings.Join(s.lines, "\n")
		require.Contains(t, story, "lost : slot: lost")
		require.Contains(t, story, "running true lost true")
		require.Contains(t, story, "released : slot: lost")
		require.Less(t, strings.Index(story, "lost : "), strings.Index(story, "released : "))
		finish(t, p)
	})
}

func TestEveryAcceptedTaskIsFinishedForTheHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var submitted, finished atomic.Int64
		p := newPool(t, 1, WithQueue(2), WithHooks(Hooks{
			Submitted: func(context.Context, JobEvent) { submitted.Add(1) },
			Finish:    func(context.Context, FinishEvent) { finished.Add(1) },
		}))
		p.Submit(sleeps(time.Second))
		synctest.Wait()
		p.Submit(nothing).Cancel()
		p.Submit(nothing)
		p.Submit(nothing)
		_, err := p.TrySubmit(nothing)
		require.ErrorIs(t, err, ErrQueueFull)
		p.Submit(nothing, After(time.Hour))
		p.Submit(func(context.Context) error { return RetryAfter(time.Hour, errTest) })
		finish(t, p)
		p.Submit(nothing)
		require.EqualValues(t, 8, submitted.Load())
		require.Equal(t, submitted.Load(), finished.Load())
	})
}

func TestAHookThatPanicsEndsNoJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := func() { panic("in a hook") }
		p := newPool(t, 1, WithSlots(newFake(1)), WithHooks(Hooks{
			Submitted: func(context.Context, JobEvent) { boom() },
			Start:     func(context.Context, StartEvent) context.Context { boom(); return nil },
			Retry:     func(context.Context, RetryEvent) { boom() },
			Finish:    func(context.Context, FinishEvent) { boom() },
			Enqueue:   func(context.Context, SlotEvent) context.Context { boom(); return nil },
			Granted:   func(SlotEvent) { boom() },
			Released:  func(SlotEvent) { boom() },
		}))
		tries := 0
		task := p.Submit(func(context.Context) error {
			if tries++; tries == 1 {
				return RetryAfter(time.Second, errTest)
			}
			return nil
		})
		require.NoError(t, task.Wait(t.Context()))
		finish(t, p)
		require.EqualValues(t, 11, p.Stats().HookPanics, "1 submitted, 2 starts, 1 retry, 1 finish, 2 claims of 3 each")
	})
}

func TestSeveralHooksAreCalledInOrderEachWithItsOwnState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order string
		one := func(name string) Option {
			return WithHooks(Hooks{
				Submitted: func(_ context.Context, e JobEvent) { *e.State = name },
				Finish:    func(_ context.Context, e FinishEvent) { order += (*e.State).(string) },
			})
		}
		p := newPool(t, 1, one("a"), one("b"), WithHooks(Hooks{}))
		require.NoError(t, p.Submit(nothing).Wait(t.Context()))
		require.Equal(t, "ab", order)
		finish(t, p)
	})
}
