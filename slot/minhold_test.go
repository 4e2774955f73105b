package slot_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

func TestMinHoldKeepsThePromisesOfASource(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		src := slottest.NewBreakable(limited(2))
		return slottest.Harness{
			OwnLimits: bringingTo(src), Inspect: true, Control: true,
			Source: slot.MinHold(src, 100*time.Millisecond), Peer: src.Peer(), FIFO: true, Prompt: true, Abandon: true,
			TakeAway: src.Expire, Expire: src.Expire, Silence: src.Silence, Break: src.Break, Heal: src.Heal, Within: time.Minute,
		}
	})
}

// Three users share five slots that are kept for a second. However they start
// their jobs, each window of a second has five starts, and exactly five while
// there is work.
func TestMinHoldMakesALimitARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := slot.NewLocal(5)
		begin := time.Now()
		var mu sync.Mutex
		var starts []time.Duration
		var users sync.WaitGroup
		for user := range 3 {
			src := slot.MinHold(shared, time.Second)
			for range 20 {
				users.Go(func() {
					require.NoError(t, slot.Do(t.Context(), src, "", func(context.Context) error {
						mu.Lock()
						defer mu.Unlock()
						starts = append(starts, time.Since(begin))
						return nil
					}))
				})
				time.Sleep(time.Duration(user) * 7 * time.Millisecond)
			}
		}
		users.Wait()
		require.Len(t, starts, 60)
		for i := 5; i < len(starts); i++ {
			require.Equal(t, time.Second, starts[i]-starts[i-5], "start %d", i)
		}
		time.Sleep(2 * time.Second) // until the last slots are back
		require.Equal(t, 5, free(t, shared, ""))
	})
}

func TestAJobLongerThanMinHoldGivesItsSlotBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := slot.NewLocal(1)
		s := take(t, slot.MinHold(inner, time.Second), "")
		require.True(t, s.Info().SingleUse)
		time.Sleep(3 * time.Second)
		require.NoError(t, s.Release())
		require.Equal(t, 1, free(t, inner, ""))
	})
}

func TestReleaseOfAMinHoldSlotReturnsAtOnceAndKeepsTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := slot.NewLocal(1)
		s := take(t, slot.MinHold(inner, time.Second), "")
		require.NoError(t, s.Release())
		require.ErrorIs(t, context.Cause(s.Context()), slot.ErrReleased)
		time.Sleep(time.Second - 1)
		require.Zero(t, free(t, inner, ""))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, 1, free(t, inner, ""))
	})
}

func TestATicketClosedBeforeItsGrantCostsNoStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := slot.NewLocal(1)
		src := slot.MinHold(inner, time.Second)
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		require.NoError(t, ticket.Close())
		require.Equal(t, 1, free(t, inner, ""))
	})
}

func TestClosingMinHoldKeepsItsSlotsUntilTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := slot.NewLocal(3)
		src := slot.MinHold(keepsOpen{inner}, time.Second)
		held, released := take(t, src, ""), take(t, src, "")
		take(t, inner, "") // somebody else's
		require.NoError(t, released.Release())
		waiting := queue(t, src, "")
		time.Sleep(300 * time.Millisecond)
		closed := make(chan error)
		go func() { closed <- src.Close(t.Context()) }()
		_, err := waiting.Wait(t.Context())
		require.ErrorIs(t, err, slot.ErrClosed, "waits end at once")
		synctest.Wait()
		require.ErrorIs(t, context.Cause(held.Context()), slot.ErrLost)
		begin := time.Now()
		require.Zero(t, free(t, inner, ""))
		require.NoError(t, <-closed)
		require.Equal(t, 700*time.Millisecond, time.Since(begin))
		require.Equal(t, 2, free(t, inner, ""))
	})
}

// keepsOpen is a source that its decorator cannot close, so that a test can look
// at it afterwards.
type keepsOpen struct{ slot.Source }

func (keepsOpen) Close(context.Context) error { return nil }

func TestClosingMinHoldGivesUpWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := slot.NewLocal(1)
		src := slot.MinHold(keepsOpen{inner}, time.Minute)
		require.NoError(t, take(t, src, "").Release())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, src.Close(ctx), context.DeadlineExceeded)
		require.Equal(t, 1, free(t, inner, ""))
	})
}

func TestBadMinHoldRefusesEveryClaim(t *testing.T) {
	for _, src := range []slot.Source{
		slot.MinHold(nil, time.Second), slot.MinHold(slot.NewLocal(1), 0), slot.MinHold(slot.NewLocal(0), time.Second),
	} {
		refusesEverything(t, src)
	}
}

// refusesEverything fails unless src was put together badly and says so.
func refusesEverything(t *testing.T, src slot.Source) {
	t.Helper()
	require.Error(t, slot.Check(src))
	_, err := src.Enqueue(t.Context(), "k")
	require.Equal(t, slot.Check(src), err)
	_, _, err = slot.Try(t.Context(), src, "k")
	require.Equal(t, slot.Check(src), err)
	require.NoError(t, src.Close(t.Context()))
}

func ExampleMinHold() {
	ctx := context.Background()
	// Two starts in any 30 ms, over all that share the two slots.
	src := slot.MinHold(slot.NewLocal(2), 30*time.Millisecond)
	defer src.Close(ctx)

	begin := time.Now()
	for range 6 {
		_ = slot.Do(ctx, src, "", func(context.Context) error { return nil })
	}
	fmt.Println("six starts took 60 ms or more:", time.Since(begin) >= 60*time.Millisecond)
	// Output: six starts took 60 ms or more: true
}
