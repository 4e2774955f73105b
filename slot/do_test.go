package slot_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

type valueKey struct{}

func TestDoRunsUnderASlotAndGivesItBack(t *testing.T) {
	src := slot.NewLocal(1)
	failed := errors.New("failed")
	ctx := context.WithValue(t.Context(), valueKey{}, "here")
	var inside context.Context
	err := slot.Do(ctx, src, "k", func(ctx context.Context) error {
		require.Zero(t, free(t, src, "k"))
		require.Equal(t, "here", ctx.Value(valueKey{}))
		inside = ctx
		return failed
	})
	require.Equal(t, failed, err)
	require.Equal(t, 1, free(t, src, "k"))
	require.ErrorIs(t, context.Cause(inside), slot.ErrReleased)
	require.NoError(t, slot.Do(ctx, src, "k", func(context.Context) error { return nil }))
}

func TestDoEndsItsFunctionWhenTheSlotIsLost(t *testing.T) {
	src := slottest.NewBreakable(slot.NewLocal(1))
	err := slot.Do(t.Context(), src, "k", func(ctx context.Context) error {
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		require.NoError(t, ctx.Err())
		src.Expire("k")
		require.Error(t, ctx.Err(), "at once")
		<-child.Done()
		return child.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, slot.ErrLost)
}

func TestANilFromAFunctionThatLostItsSlotIsASuccess(t *testing.T) {
	src := slottest.NewBreakable(slot.NewLocal(1))
	require.NoError(t, slot.Do(t.Context(), src, "k", func(context.Context) error {
		src.Expire("k")
		return nil
	}))
}

func TestDoEndsItsFunctionWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("too late"))
		defer cancel()
		err := slot.Do(ctx, slot.NewLocal(1), "k", func(ctx context.Context) error {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, time.Second, time.Until(deadline))
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "too late")
	})
}

func TestDoGivesTheSlotBackWhenItsFunctionPanics(t *testing.T) {
	src := slot.NewLocal(1)
	require.PanicsWithValue(t, "boom", func() {
		_ = slot.Do(t.Context(), src, "k", func(context.Context) error { panic("boom") })
	})
	require.Equal(t, 1, free(t, src, "k"))
}

func TestDoDoesNotRunWithoutASlot(t *testing.T) {
	never := func(context.Context) error {
		t.Error("the function ran")
		return nil
	}
	src := slot.NewLocal(1)
	take(t, src, "k")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, slot.Do(ctx, src, "k", never), context.Canceled)
	require.Error(t, slot.Do(t.Context(), src, "k", nil))
	require.Error(t, slot.Do(t.Context(), nil, "k", never))
	require.NoError(t, src.Close(t.Context()))
	require.ErrorIs(t, slot.Do(t.Context(), src, "k", never), slot.ErrClosed)
}

func TestDoGivesUpItsPlaceWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocal(1)
		held := take(t, src, "k")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := slot.Do(ctx, src, "k", func(context.Context) error { return nil })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, held.Release())
		require.Equal(t, 1, free(t, src, "k"))
	})
}

func ExampleDo() {
	src := slot.NewLocal(1) // or a source that other machines share
	err := slot.Do(context.Background(), src, "report", func(ctx context.Context) error {
		fmt.Println("nobody else writes the report now")
		return ctx.Err()
	})
	fmt.Println(err)
	// Output:
	// nobody else writes the report now
	// <nil>
}
