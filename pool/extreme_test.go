package pool

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestAnyNumberOfWorkersWorks(t *testing.T) {
	start := map[string]func(t *testing.T, opts ...Option) *Pool{
		"New": func(t *testing.T, opts ...Option) *Pool { return newPool(t, math.MaxInt, opts...) },
		"Resize": func(t *testing.T, opts ...Option) *Pool {
			p := newPool(t, 1, opts...)
			require.NoError(t, p.Resize(math.MaxInt))
			return p
		},
	}
	for how, start := range start {
		for kind, opts := range map[string][]Option{"plain": nil, "slots": {WithSlots(slot.NewLocalKeyed(1))}} {
			t.Run(how+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := start(t, opts...)
					for range 300 {
						require.NoError(t, p.Go(nothing, Key("a")))
					}
					first := p.Submit(sleeps(time.Second), Key("b"))
					synctest.Wait()
					second := p.Submit(func(ctx context.Context) error { return first.Wait(ctx) }, Key("c")) // lends a worker
					require.NoError(t, p.Go(nothing, Key("b")))
					synctest.Wait()
					if p.src != nil {
						require.Equal(t, 1, p.Stats().InLine, "claims may wait in line")
					}
					require.NoError(t, second.Wait(t.Context()))
					sum := 0
					for n, err := range Map(t.Context(), p, slices.Values([]int{1, 2, 3}), func(_ context.Context, n int) (int, error) { return n, nil }) {
						require.NoError(t, err)
						sum += n
					}
					require.Equal(t, 6, sum)
					require.NoError(t, p.Wait(t.Context()))
					require.NoError(t, p.Resize(1))
					finish(t, p)
				})
			})
		}
	}
}

func TestNoWaitOverflows(t *testing.T) {
	for _, d := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, 1 << 62} {
		for name, submit := range map[string]func(p *Pool) *Task{
			"After":      func(p *Pool) *Task { return p.Submit(nothing, After(d)) },
			"RetryAfter": func(p *Pool) *Task { return p.Submit(func(context.Context) error { return RetryAfter(d, errTest) }) },
			"NotYet":     func(p *Pool) *Task { return p.Submit(func(context.Context) error { return NotYet(d, errTest) }) },
		} {
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPool(t, 1)
					far := submit(p)
					near := p.Submit(nothing, After(time.Second))
					time.Sleep(100 * 24 * time.Hour)
					require.Equal(t, StateDone, near.State())
					require.Equal(t, StateWaiting, far.State())
					far.Cancel()
					require.ErrorIs(t, far.Err(), ErrCanceled)
					finish(t, p)
				})
			})
		}
	}
}

func TestAWaitBelowZeroIsNone(t *testing.T) {
	for _, d := range []time.Duration{-1, -time.Hour, math.MinInt64} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, 1)
			begin := time.Now()
			runs := 0
			require.NoError(t, p.Submit(func(context.Context) error {
				if runs++; runs == 1 {
					return RetryAfter(d, errTest)
				}
				return nil
			}, After(d)).Wait(t.Context()))
			require.Zero(t, time.Since(begin))
			wait, _, _ := AsRetry(NotYet(d, nil))
			require.Zero(t, wait)
			finish(t, p)
		})
	}
}

func TestEveryOptionTakesTheLargestValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 2, WithSlots(slot.NewLocal(1)), WithQueue(math.MaxInt), WithQueueTotal(math.MaxInt), WithMaxClaims(math.MaxInt),
			WithReuse(math.MaxInt64), WithGrace(math.MaxInt64), FailAfter(math.MaxInt64),
			WithIdleTimeout(math.MaxInt64), WithAging(math.MaxInt64))
		for _, priority := range []int{math.MinInt, 0, math.MaxInt} {
			p.Submit(sleeps(time.Second), Priority(priority))
		}
		task := p.Submit(func(ctx context.Context) error { <-ctx.Done(); return nil })
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, p.Stats().Running)
		task.Cancel()
		require.NoError(t, p.Wait(t.Context()))
		time.Sleep(time.Second) // workers rest, and the key has no job
		start := time.Now()
		require.NoError(t, p.Submit(nothing, After(time.Second)).Wait(t.Context()))
		require.Equal(t, time.Second, time.Since(start), "the timer goes on")
		sum := 0
		for n := range Map(t.Context(), p, slices.Values([]int{1, 2, 3}), func(_ context.Context, n int) (int, error) { return n, nil }, Window(math.MaxInt)) {
			sum += n
		}
		require.Equal(t, 6, sum)
		require.Zero(t, p.Stats().Overruns)
		finish(t, p)
	})
}
