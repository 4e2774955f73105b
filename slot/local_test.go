package slot_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// take claims a slot that has to be free.
func take(t testing.TB, src slot.Source, key string) slot.Slot {
	t.Helper()
	ticket, err := src.Enqueue(context.Background(), key)
	require.NoError(t, err)
	s, ok := ticket.Slot()
	require.True(t, ok, "no slot of key %q is free", key)
	return s
}

// queue claims a slot that must not be free.
func queue(t testing.TB, src slot.Source, key string) slot.Ticket {
	t.Helper()
	ticket, err := src.Enqueue(context.Background(), key)
	require.NoError(t, err)
	_, ok := ticket.Slot()
	require.False(t, ok, "a slot of key %q is free", key)
	return ticket
}

func wait(t testing.TB, ticket slot.Ticket) slot.Slot {
	t.Helper()
	s, err := ticket.Wait(context.Background())
	require.NoError(t, err)
	return s
}

func TestLocalHasItsSlotsWhateverTheKey(t *testing.T) {
	src := slot.NewLocal(2)
	take(t, src, "a")
	take(t, src, "b")
	queue(t, src, "c")
	n, ok := src.Limit("any")
	require.True(t, ok)
	require.Equal(t, 2, n)
}

func TestLocalKeyedHasSlotsForEachKey(t *testing.T) {
	src := slot.NewLocalKeyed(1)
	a := take(t, src, "a")
	take(t, src, "b")
	queue(t, src, "a")
	require.Equal(t, "a", a.Info().Key)
}

func TestIdleKeysAreForgotten(t *testing.T) {
	src := slot.NewLocalKeyed(1)
	for i := range 100 {
		key := fmt.Sprint(i)
		s := take(t, src, key)
		waiting := queue(t, src, key)
		_, ok, err := slot.Try(context.Background(), src, key)
		require.NoError(t, err)
		require.False(t, ok)
		require.NoError(t, waiting.Close())
		require.Equal(t, 1, src.Lines())
		require.NoError(t, s.Release())
	}
	require.Zero(t, src.Lines())
}

func TestASourceOfNoSlotsRefusesEveryClaim(t *testing.T) {
	for _, src := range []*slot.Local{slot.NewLocal(0), slot.NewLocalKeyed(-1)} {
		require.ErrorContains(t, slot.Check(src), "at least 1")
		_, err := src.Enqueue(context.Background(), "k")
		require.Equal(t, slot.Check(src), err)
		_, _, err = src.Try(context.Background(), "k")
		require.Equal(t, slot.Check(src), err)
		_, ok := src.Limit("k")
		require.False(t, ok)
		require.NoError(t, src.Close(context.Background()))
	}
	require.NoError(t, slot.Check(slot.NewLocal(1)))
	require.Error(t, slot.Check(nil))
}

func TestAGrantThatLostTheRaceWithACancelGoesBack(t *testing.T) {
	src := slot.NewLocal(1)
	holder := take(t, src, "k")
	waiting := queue(t, src, "k")
	require.NoError(t, holder.Release()) // granted, and nobody has asked for it
	require.NoError(t, waiting.Close())
	take(t, src, "k")
}

func TestAWaitThatIsCancelledReturnsTheCause(t *testing.T) {
	src := slot.NewLocal(1)
	take(t, src, "k")
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	waiting := queue(t, src, "k")
	cancel(gone)
	_, err := waiting.Wait(ctx)
	require.ErrorIs(t, err, gone)
	_, err = src.Enqueue(ctx, "k")
	require.ErrorIs(t, err, gone)
	_, _, err = src.Try(ctx, "k")
	require.ErrorIs(t, err, gone)
	_, err = waiting.Wait(context.Background())
	require.ErrorIs(t, err, slot.ErrClosed, "a ticket is closed after an error")
}

func TestClosingALocalSourceEndsItsSlotsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocal(1)
		held := take(t, src, "k")
		waiting := queue(t, src, "k")
		ended := make(chan error)
		go func() {
			_, err := waiting.Wait(context.Background())
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, src.Close(t.Context()))
		require.ErrorIs(t, <-ended, slot.ErrClosed)
		require.ErrorIs(t, context.Cause(held.Context()), slot.ErrLost)
		require.ErrorIs(t, context.Cause(held.Context()), slot.ErrClosed)
		require.ErrorIs(t, held.Release(), slot.ErrLost)
		_, err := src.Enqueue(t.Context(), "k")
		require.ErrorIs(t, err, slot.ErrClosed)
		_, _, err = src.Try(t.Context(), "k")
		require.ErrorIs(t, err, slot.ErrClosed)
	})
}

func TestATicketGrantedBeforeCloseIsNotUsedAfterIt(t *testing.T) {
	src := slot.NewLocal(1)
	ticket, err := src.Enqueue(context.Background(), "k")
	require.NoError(t, err)
	require.NoError(t, src.Close(context.Background()))
	_, ok := ticket.Slot()
	require.False(t, ok)
	_, err = ticket.Wait(context.Background())
	require.ErrorIs(t, err, slot.ErrClosed)
}

func TestLocalTellsTheTraceOfAClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		start := time.Now()
		tell := func(what string) func(time.Time) {
			return func(at time.Time) { told = append(told, fmt.Sprint(what, " ", at.Sub(start))) }
		}
		ctx := slot.WithTrace(t.Context(), &slot.Trace{
			Queued: tell("queued"), Granted: tell("granted"), Confirmed: tell("confirmed"),
		})
		src := slot.NewLocal(1)
		first, _, err := src.Try(ctx, "k")
		require.NoError(t, err)
		second, err := src.Enqueue(ctx, "k")
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.NoError(t, first.Release())
		s := wait(t, second)
		require.True(t, s.Info().Queued)
		require.Equal(t, time.Second, s.Info().GrantedAt.Sub(start))
		require.Equal(t, []string{
			"granted 0s", "confirmed 0s", "queued 0s", "granted 1s", "confirmed 1s",
		}, told)
	})
}

func TestAReleasedSlotEndsBeforeTheNextGrant(t *testing.T) {
	src := slot.NewLocal(1)
	held := take(t, src, "k")
	granted := false
	_, err := src.Enqueue(slot.WithTrace(t.Context(), &slot.Trace{Granted: func(time.Time) {
		granted = true
		require.Error(t, held.Context().Err())
	}}), "k")
	require.NoError(t, err)
	require.NoError(t, held.Release())
	require.True(t, granted)
}

func TestCancellingClaimsRightAwayLosesNoSlot(t *testing.T) {
	src := slot.NewLocal(2)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25_000 {
				ctx, cancel := context.WithCancel(context.Background())
				ticket, err := src.Enqueue(ctx, "k")
				if err != nil {
					t.Errorf("enqueue: %v", err)
				}
				go cancel()
				if s, err := ticket.Wait(ctx); err == nil {
					_ = s.Release()
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 2, free(t, src, "k"))
}

func TestAClaimThatIsGrantedAtOnceCostsFourAllocations(t *testing.T) {
	src := slot.NewLocal(1)
	ctx := context.Background()
	perClaim := testing.AllocsPerRun(100, func() {
		ticket, _ := src.Enqueue(ctx, "k")
		s, _ := ticket.Slot()
		_ = s.Release()
	})
	require.LessOrEqual(t, perClaim, 4.0, "the ticket, the slot, its context and how to end that")
}

func ExampleNewLocal() {
	ctx := context.Background()
	src := slot.NewLocal(1)
	defer src.Close(ctx)

	held, _, _ := slot.Try(ctx, src, "")
	waiting, _ := src.Enqueue(ctx, "") // takes a place in line, and does not block
	_, ok := waiting.Slot()
	fmt.Println("granted at once:", ok)

	held.Release()
	s, _ := waiting.Wait(ctx)
	fmt.Println("granted after a wait:", s.Info().Queued)
	s.Release()
	// Output:
	// granted at once: false
	// granted after a wait: true
}

func TestATraceThatPanicsCostsNoSlot(t *testing.T) {
	boom := func(time.Time) { panic("boom") }
	src := slot.NewLocal(1)
	for name, trace := range map[string]*slot.Trace{"Queued": {Queued: boom}, "Granted": {Granted: boom}} {
		ctx := slot.WithTrace(t.Context(), trace)
		if trace.Granted != nil {
			require.PanicsWithValue(t, "boom", func() { _, _ = src.Enqueue(ctx, "k") }, name)
			require.PanicsWithValue(t, "boom", func() { _, _, _ = slot.Try(ctx, src, "k") }, name)
		}
		held := take(t, src, "k")
		if trace.Queued != nil {
			require.PanicsWithValue(t, "boom", func() { _, _ = src.Enqueue(ctx, "k") }, name)
			require.NoError(t, held.Release())
		} else {
			waits, err := src.Enqueue(ctx, "k")
			require.NoError(t, err)
			require.PanicsWithValue(t, "boom", func() { _ = held.Release() }, name)
			require.NoError(t, wait(t, waits).Release(), "the slot is his all the same")
		}
		require.Equal(t, 1, free(t, src, "k"), name)
	}
}
