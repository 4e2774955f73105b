package slot_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/goroutines"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

func TestFallbackKeepsThePromisesOfASource(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		src := slottest.NewBreakable(limited(2))
		return slottest.Harness{
			OwnLimits: bringingTo(src), Inspect: true, Control: true,
			Source: slot.Fallback(src, slot.NewLocal(1), time.Second), Peer: src.Peer(), FIFO: true, Prompt: true, Abandon: true,
			TakeAway: src.Expire, Expire: src.Expire, Silence: src.Silence, Heal: src.Heal,
		}
	})
}

func TestFallbackKeepsThePromisesOfASourceDuringAnOutage(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		src, local := slottest.NewBreakable(slot.NewLocal(5)), slottest.NewBreakable(slot.NewLocal(2))
		src.Break()
		return slottest.Harness{
			Source: slot.Fallback(src, local, 0), Limit: 2, FIFO: true, Prompt: true, Abandon: true,
			TakeAway: local.Expire, Expire: local.Expire,
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
		for range 95 {
			require.NoError(t, take(t, both, "k").Release())
			time.Sleep(100 * time.Millisecond)
		}
		require.EqualValues(t, 10, src.claims.Load(), "the first, and nine in nine and a half seconds")
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
	claims atomic.Int64
}

func (c *counting) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	c.claims.Add(1)
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

// An engine of two servers, of which one can be away.
type twoServers struct {
	slot.Source // of keys that begin with anything but "b"
	b           *slottest.Breakable
}

func (s *twoServers) Partition(key string) string { return key[:min(len(key), 1)] }

func (s *twoServers) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	switch s.Partition(key) {
	case "":
		return nil, fmt.Errorf("%w: it is empty", slot.ErrKey)
	case "b":
		return s.b.Enqueue(ctx, key)
	case "s":
		return nil, final(true)
	case "f":
		return nil, final(false)
	}
	return s.Source.Enqueue(ctx, key)
}

func TestOnlyAnAnswerForAKeyOfTheSamePartEndsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &twoServers{slot.NewLocal(5), slottest.NewBreakable(slot.NewLocal(5))}
		local := slot.NewLocal(5)
		// Decorators know the parts of the source inside.
		both := slot.Fallback(slot.MinHold(slot.All(src, slot.NewLocal(9)), 1), local, 0)
		defer both.Close(t.Context())
		src.b.Break()
		used := func(key string) slot.Source {
			before := free(t, local, "")
			s := take(t, both, key)
			defer s.Release()
			if free(t, local, "") < before {
				return local
			}
			return src
		}
		for range 3 {
			require.Equal(t, local, used("b1"))
			require.Equal(t, src, used("a1"), "another server")
			_, err := both.Enqueue(t.Context(), "")
			require.ErrorIs(t, err, slot.ErrKey)
			_, err = both.Enqueue(t.Context(), "s")
			require.ErrorIs(t, err, final(true))
			_, err = both.Enqueue(t.Context(), "f")
			require.ErrorIs(t, err, final(false))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = both.Enqueue(ctx, "b1")
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, local, used("b2"))
			time.Sleep(10 * time.Second)
		}
		src.b.Heal()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, src, used("b1"))
	})
}

// A source that has no parts to tell of fails as a whole.
func TestARefusalForGoodEndsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &twoServers{slot.NewLocal(5), slottest.NewBreakable(slot.NewLocal(5))}
		local := slot.NewLocal(1)
		both := slot.Fallback(plain{src}, local, 10*time.Second)
		defer both.Close(t.Context())
		src.b.Break()
		for range 12 {
			_, err := both.Enqueue(t.Context(), "b")
			if err == nil {
				return // the outage was long enough
			}
			require.ErrorIs(t, err, slot.ErrUnavailable)
			_, err = both.Enqueue(t.Context(), "")
			require.ErrorIs(t, err, slot.ErrKey)
			_, err = both.Enqueue(t.Context(), "s")
			require.ErrorIs(t, err, final(true))
			time.Sleep(time.Second)
		}
		require.Fail(t, "the refusals have ended the outage")
	})
}

// A full server is there.
func TestARefusalForNowEndsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &twoServers{slot.NewLocal(5), slottest.NewBreakable(slot.NewLocal(5))}
		both := slot.Fallback(plain{src}, slot.NewLocal(1), 3*time.Second)
		defer both.Close(t.Context())
		src.b.Break()
		for range 10 {
			_, err := both.Enqueue(t.Context(), "b")
			require.ErrorIs(t, err, slot.ErrUnavailable)
			_, err = both.Enqueue(t.Context(), "f")
			require.ErrorIs(t, err, final(false))
			time.Sleep(time.Second)
		}
	})
}

func TestWhoWaitsInTheLineOfTheLocalShareCostsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, local := slottest.NewBreakable(slot.NewLocal(1)), slot.NewLocal(1)
		both := slot.Fallback(src, local, 0)
		defer both.Close(t.Context())
		src.Break()
		take(t, both, "k")
		const waiters = 500
		before := goroutines.InBubble(t)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range waiters {
			ticket := queue(t, both, "k")
			all.Go(func() { _, _ = ticket.Wait(ctx) })
		}
		synctest.Wait()
		require.Equal(t, before+waiters, goroutines.InBubble(t), "those that call Wait, and no others")
		cancel()
		all.Wait()
	})
}

func TestClosingFallbackEndsItsAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := slottest.NewBreakable(slot.NewLocal(1))
		src := &counting{Source: broken}
		both := slot.Fallback(src, slot.NewLocal(1), 0)
		broken.Break()
		take(t, both, "k")
		time.Sleep(2500 * time.Millisecond)
		require.EqualValues(t, 3, src.claims.Load(), "the claim and two of its own")
		require.NoError(t, both.Close(t.Context()))
		require.NoError(t, both.Close(t.Context()))
		time.Sleep(time.Minute)
		require.EqualValues(t, 3, src.claims.Load())
	})
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
