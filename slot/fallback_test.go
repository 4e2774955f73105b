package slot_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

func TestFallbackKeepsThePromisesOfASource(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		src := slottest.NewBreakable(slot.NewLocal(2))
		return slottest.Harness{
			Source: slot.Fallback(src, slot.NewLocal(1), time.Second), FIFO: true, Prompt: true, Abandon: true, Expire: src.Expire,
		}
	})
}

func TestFallbackKeepsThePromisesOfASourceDuringAnOutage(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		src, local := slottest.NewBreakable(slot.NewLocal(5)), slottest.NewBreakable(slot.NewLocal(2))
		src.Break()
		return slottest.Harness{
			Source: slot.Fallback(src, local, 0), Limit: 2, FIFO: true, Prompt: true, Abandon: true, Expire: local.Expire,
		}
	})
}

func TestFallbackServesFromTheLocalShareOnceTheOutageIsLongEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, local := slottest.NewBreakable(slot.NewLocal(5)), slot.NewLocal(1)
		both := slot.Fallback(src, local, 10*time.Second)
		src.Break()
		for range 10 {
			_, err := both.Enqueue(t.Context(), "k")
			require.ErrorIs(t, err, slot.ErrUnavailable)
			_, _, err = slot.Try(t.Context(), both, "k")
			require.ErrorIs(t, err, slot.ErrUnavailable)
			time.Sleep(time.Second)
		}
		s := take(t, both, "k")
		require.Zero(t, free(t, local, ""))
		require.False(t, s.Info().Strict)
		_, ok, err := slot.Try(t.Context(), both, "k")
		require.NoError(t, err)
		require.False(t, ok, "the local share has one slot")
	})
}

func TestAShortOutageDoesNotFallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slottest.NewBreakable(slot.NewLocal(5))
		both := slot.Fallback(src, slot.NewLocal(1), 10*time.Second)
		for range 5 {
			src.Break()
			_, err := both.Enqueue(t.Context(), "k")
			require.ErrorIs(t, err, slot.ErrUnavailable)
			time.Sleep(5 * time.Second)
			src.Heal()
			require.NoError(t, take(t, both, "k").Release()) // ends the outage
		}
	})
}

func TestFallbackAsksOnceASecondWhetherTheSourceIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := slottest.NewBreakable(slot.NewLocal(5))
		src := &counting{Source: broken}
		local := slot.NewLocal(1)
		both := slot.Fallback(src, local, 0)
		broken.Break()
		for range 100 {
			require.NoError(t, take(t, both, "k").Release())
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, 10, src.claims, "in ten seconds")
		broken.Heal()
		time.Sleep(time.Second)
		take(t, both, "k")
		take(t, both, "k")
		require.Equal(t, 1, free(t, local, ""), "all go to the source again")
	})
}

// counting counts the claims that reach a source.
type counting struct {
	slot.Source
	claims int
}

func (c *counting) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	c.claims++
	return c.Source.Enqueue(ctx, key)
}

func TestAClaimThatWaitsWhenTheSourceGoesAwayMovesToTheLocalShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, local := slottest.NewBreakable(slot.NewLocal(1)), slot.NewLocal(1)
		both := slot.Fallback(src, local, 0)
		take(t, both, "k")
		first, second := queue(t, both, "k"), queue(t, both, "k")
		granted := make(chan slot.Slot)
		go func() {
			s, err := first.Wait(t.Context())
			require.NoError(t, err)
			granted <- s
		}()
		synctest.Wait()
		src.Break()
		s := <-granted
		require.Zero(t, free(t, local, ""))

		ended := make(chan error)
		go func() {
			_, err := second.Wait(t.Context())
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, second.Close(), "it waits in the line of the local share")
		require.ErrorIs(t, <-ended, slot.ErrClosed)
		require.NoError(t, s.Release())
		require.Equal(t, 1, free(t, local, ""))
	})
}

func TestAClaimInTheLineOfTheLocalShareGoesBackWithTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, local := slottest.NewBreakable(slot.NewLocal(1)), slot.NewLocal(1)
		both := slot.Fallback(src, local, 0)
		src.Break()
		held := take(t, both, "k")
		waiting, parked := queue(t, both, "k"), queue(t, both, "k")
		begin := time.Now()
		granted := make(chan slot.Slot)
		go func() {
			s, err := waiting.Wait(t.Context())
			require.NoError(t, err)
			granted <- s
		}()
		time.Sleep(5500 * time.Millisecond)
		src.Heal()
		s := <-granted
		require.Equal(t, 6*time.Second, time.Since(begin), "it is asked for once a second")
		require.Zero(t, free(t, src, "k"))
		require.NoError(t, s.Release())
		require.NoError(t, wait(t, parked).Release(), "a ticket that nobody waited with goes there too")
		require.NoError(t, held.Release())
		require.Equal(t, 1, free(t, local, ""))
	})
}

func TestOnlyAnUnavailableSourceIsAnOutage(t *testing.T) {
	inner := slot.NewLocal(1)
	both := slot.Fallback(inner, slot.NewLocal(1), 0)
	require.NoError(t, inner.Close(t.Context()))
	_, err := both.Enqueue(t.Context(), "k")
	require.ErrorIs(t, err, slot.ErrClosed)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(slot.ErrUnavailable) // the caller's own words
	_, err = slot.Fallback(slot.NewLocal(1), slot.NewLocal(1), 0).Enqueue(ctx, "k")
	require.ErrorIs(t, err, slot.ErrUnavailable)
}

func TestBadFallbackRefusesEveryClaim(t *testing.T) {
	good, bad := slot.NewLocal(1), slot.NewLocal(0)
	for _, src := range []slot.Source{
		slot.Fallback(nil, good, 0), slot.Fallback(good, nil, 0), slot.Fallback(good, good, -1),
		slot.Fallback(bad, good, 0), slot.Fallback(good, bad, 0),
	} {
		refusesEverything(t, src)
	}
}

func ExampleFallback() {
	ctx := context.Background()
	engine := slottest.NewBreakable(slot.NewLocal(12)) // 12 slots over all machines
	src := slot.Fallback(engine, slot.NewLocal(2), 0)  // or 2 on each, without the engine
	defer src.Close(ctx)

	engine.Break()
	err := slot.Do(ctx, src, "", func(context.Context) error {
		fmt.Println("working on the local share")
		return nil
	})
	fmt.Println(err)
	// Output:
	// working on the local share
	// <nil>
}
