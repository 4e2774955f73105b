package pool

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	keep := func(next Job) Job { return next }
	for _, c := range []struct {
		says    string
		workers int
		opts    []Option
	}{
		{"0 workers", 0, nil},
		{"-1 workers", -1, nil},
		{"option 1 is nil", 1, []Option{nil}},
		{"WithSlots", 1, []Option{WithSlots(nil)}},
		{"WithSlots", 1, []Option{WithSlots(slot.NewLocal(0))}},
		{"middleware 2 is nil", 1, []Option{Use(keep, nil)}},
		{"middleware 1 returned a nil job", 1, []Option{Use(func(Job) Job { return nil }, keep)}},
		{"it did not work", 1, []Option{Use(Invalid(errTest))}},
		{"WithQueue: 0", 1, []Option{WithQueue(0)}},
		{"WithQueueTotal: -1", 1, []Option{WithQueueTotal(-1)}},
		{"WithMaxClaims: 0", 1, []Option{WithMaxClaims(0)}},
		{"negative", 1, []Option{WithReuse(-1)}},
		{"WithIdleTimeout: -1ns is negative", 1, []Option{WithIdleTimeout(-1)}},
		{"WithAging: 0s is not above 0", 1, []Option{WithAging(0)}},
		{"WithGrace", 1, []Option{WithGrace(0)}},
		{"FailAfter: 0s", 1, []Option{FailAfter(0)}},
		{"FailAfter needs WithSlots", 1, []Option{FailAfter(time.Second)}},
		{"WithSlotKey: the function is nil", 1, []Option{WithSlotKey(nil)}},
		{"WithSlotKey needs WithSlots", 1, []Option{WithSlotKey(func(s string) string { return s })}},
		{"WithErrorHandler", 1, []Option{WithErrorHandler(nil)}},
	} {
		p, err := New(c.workers, c.opts...)
		require.Nil(t, p)
		require.ErrorContains(t, err, c.says)
		require.ErrorContains(t, err, "pool: ")
	}
}

func TestMiddlewareIsAppliedOnceAndTheFirstIsTheOutermost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order string
		applied := 0
		named := func(name string) Middleware {
			return func(next Job) Job {
				applied++
				return func(ctx context.Context) error {
					order += name + "("
					defer func() { order += ")" }()
					return next(context.WithValue(ctx, testKey{}, name))
				}
			}
		}
		p := newPool(t, 1, Use(named("a"), named("b")), Use(named("c")))
		job := func(ctx context.Context) error {
			require.Equal(t, "c", ctx.Value(testKey{}))
			order += "job"
			return errTest
		}
		require.ErrorIs(t, p.Submit(job).Wait(t.Context()), errTest)
		require.Equal(t, "a(b(c(job)))", order)
		require.NoError(t, p.Go(job))
		require.ErrorIs(t, p.Wait(t.Context()), errTest)
		require.Equal(t, "a(b(c(job)))a(b(c(job)))", order)
		require.Equal(t, 3, applied)
		finish(t, p)
	})
}

func TestAMiddlewareThatReplacesTheContextIsTold(t *testing.T) {
	p := newPool(t, 1, Use(func(next Job) Job {
		return func(context.Context) error { return next(context.Background()) }
	}))
	require.ErrorContains(t, p.Submit(nothing).Wait(t.Context()), "not derived")
	finish(t, p)
}

func TestRetryAfterIsAnOrdinaryErrorOutsideAPool(t *testing.T) {
	err := RetryAfter(time.Second, errTest)
	require.ErrorIs(t, err, errTest)
	require.EqualError(t, err, "retry after 1s: it did not work")
	d, reason, ok := AsRetry(errors.Join(err))
	require.True(t, ok)
	require.Equal(t, time.Second, d)
	require.Equal(t, errTest, reason)
	_, reason, ok = AsRetry(errTest)
	require.False(t, ok)
	require.Equal(t, errTest, reason)
	d, _, _ = AsRetry(RetryAfter(-1, nil))
	require.Zero(t, d)
}

func TestANilOptionIsAnErrorOfGroupAndMapToo(t *testing.T) {
	p := newPool(t, 1)
	g := p.Group(t.Context(), CancelOnError(), nil)
	require.ErrorContains(t, g.Submit(nothing).Wait(t.Context()), "option 2 of Group is nil")
	require.ErrorContains(t, g.Wait(t.Context()), "option 2 of Group is nil")
	for says, opt := range map[string]MapOption{"an option of Map is nil": nil, "KeyBy": KeyBy[int](nil)} {
		for _, err := range Map(t.Context(), p, slices.Values([]int{1}), double, opt) {
			require.ErrorContains(t, err, says)
		}
	}
	finish(t, p)
}
