package tracing_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
	"github.com/berth-go/berth/tracing"
)

func TestSourceKeepsThePromisesOfTheOneInside(t *testing.T) {
	slottest.RunSynctest(t, func(t *testing.T) slottest.Harness {
		inner := slottest.NewBreakable(slot.NewLocalKeyed(2))
		return slottest.Harness{
			Source: record(t).Source(inner), Peer: inner.Peer(), FIFO: true, Prompt: true, Inspect: true, Control: true,
			TakeAway: inner.Expire, Expire: inner.Expire, Silence: inner.Silence, Break: inner.Break, Heal: inner.Heal,
		}
	})
	slottest.RunSynctest(t, func(t *testing.T) slottest.Harness {
		return slottest.Harness{Source: record(t).Source(slot.NewLocal(3)), FIFO: true, Prompt: true, Strict: true, Inspect: true, Control: true}
	})
}

func TestClaimWithoutAPoolBelongsToTheCallersSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := r.Source(slot.NewLocal(1))
		ctx, span := r.user("caller")
		first, err := src.Enqueue(context.Background(), "a")
		require.NoError(t, err)
		s, ok := first.Slot()
		require.True(t, ok)
		go func() {
			time.Sleep(2 * time.Second)
			require.NoError(t, s.Release())
		}()
		failed := errors.New("no concern of the slot")
		require.ErrorIs(t, slot.Do(ctx, src, "b", func(context.Context) error {
			time.Sleep(time.Second)
			return failed
		}), failed)
		span.End()
		require.Equal(t, lines(`
		caller 1 0s 3s
		  slot acquire 2 0s 2s client key=b slot.ahead=0 slot.queued=true !queued 0s !granted 2s !confirmed 2s
		  slot hold 2 2s 3s key=b slot.queued=true
		slot acquire 1 0s 0s client key=a slot.queued=false !granted 0s !confirmed 0s
		slot hold 1 0s 2s key=a slot.queued=false
		`), r.trees())
		require.Equal(t, []string{"2 × 2s"}, r.points(tracing.MetricSlotWaitTime))
		require.Equal(t, []string{"2 × 3s"}, r.points(tracing.MetricSlotUseTime))
	})
}

func TestLostSlotIsCountedAndMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		inner := slottest.NewBreakable(slot.NewLocalKeyed(1))
		src := r.Source(inner)
		s, ok, err := slot.Try(context.Background(), src, "a")
		require.NoError(t, err)
		require.True(t, ok)
		time.Sleep(3 * time.Second)
		inner.Expire("a")
		synctest.Wait()
		require.Equal(t, lines(`
		slot acquire 1 0s 0s client key=a slot.queued=false !granted 0s !confirmed 0s
		slot hold 1 0s 3s key=a slot.queued=false error.type=slot_lost "slot: lost" !lost 3s
		`), r.trees())
		require.Equal(t, []string{"1"}, r.points(tracing.MetricSlotLost))
		time.Sleep(time.Second)
		require.ErrorIs(t, s.Release(), slot.ErrLost)
		require.Equal(t, []string{"1 × 3s"}, r.points(tracing.MetricSlotUseTime))
	})
}

func TestClaimThatIsGivenUpAtItsDeadlineIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := r.Source(slot.NewLocal(1))
		_, ok, err := slot.Try(context.Background(), src, "")
		require.NoError(t, err)
		require.True(t, ok)

		ticket, err := src.Enqueue(context.Background(), "")
		require.NoError(t, err)
		require.Equal(t, []string{"1"}, r.points(tracing.MetricSlotPendingRequests))
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, errors.New("enough"))
		defer cancel()
		_, err = ticket.Wait(ctx)
		require.ErrorContains(t, err, "enough")
		require.Equal(t, []string{"1"}, r.points(tracing.MetricSlotTimeouts))

		cancelled, end := context.WithCancel(context.Background())
		ticket, err = src.Enqueue(cancelled, "")
		require.NoError(t, err)
		end()
		_, err = ticket.Wait(cancelled)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, []string{"1"}, r.points(tracing.MetricSlotTimeouts), "it had no deadline")

		ticket, err = src.Enqueue(context.Background(), "")
		require.NoError(t, err)
		require.NoError(t, ticket.Close())
		require.Equal(t, []string{"1"}, r.points(tracing.MetricSlotTimeouts), "nobody waited for that one")
		require.Equal(t, []string{"0"}, r.points(tracing.MetricSlotPendingRequests))
		require.NoError(t, src.Close(context.Background()))
	})
}

func TestCountsFollowTheSlotsUntilTheSourceIsClosed(t *testing.T) {
	r := record(t)
	name := tracing.WithSourceName("s")
	one, two := r.Source(slot.NewLocal(2), name), r.Source(slot.NewLocalKeyed(5), name)
	require.Equal(t, []string{"source=s state=idle 0", "source=s state=used 0"}, r.points(tracing.MetricSlotCount))
	s, _, err := slot.Try(context.Background(), one, "a")
	require.NoError(t, err)
	_, _, err = slot.Try(context.Background(), two, "b")
	require.NoError(t, err)
	require.Equal(t, []string{"source=s state=idle 0", "source=s state=used 2"}, r.points(tracing.MetricSlotCount), "sources of one name add up")
	require.Equal(t, []string{"source=s 5"}, r.points(tracing.MetricSlotMax), "the highest limit")

	require.NoError(t, two.Close(context.Background()))
	require.Equal(t, []string{"source=s state=idle 0", "source=s state=used 1"}, r.points(tracing.MetricSlotCount))
	require.Equal(t, []string{"source=s 2"}, r.points(tracing.MetricSlotMax))
	require.Equal(t, []string{"source=s 1"}, r.points(tracing.MetricSlotLost), "it was held when its source was closed")
	require.NoError(t, s.Release())
	require.NoError(t, one.Close(context.Background()))
	require.Empty(t, r.points(tracing.MetricSlotCount), "nobody is there to count")
	require.NoError(t, one.Close(context.Background()))
}

func TestKeyIsOnMetricsOnlyAsTheUserMapsIt(t *testing.T) {
	r := record(t, tracing.WithKeyAttribute(func(key string) string { return key[:1] }))
	src := r.Source(slot.NewLocalKeyed(3))
	for _, key := range []string{"a1", "a2", "b1"} {
		_, _, err := slot.Try(context.Background(), src, key)
		require.NoError(t, err)
	}
	require.Equal(t, []string{
		"key=a state=idle 0", "key=a state=used 2", "key=b state=idle 0", "key=b state=used 1",
	}, r.points(tracing.MetricSlotCount))
	require.Equal(t, []string{"key=a 2", "key=b 1"}, trimTimes(r.points(tracing.MetricSlotWaitTime)))
	require.NoError(t, src.Close(context.Background()))
}

func TestBadSourceIsSeenThroughTheTracer(t *testing.T) {
	r := record(t)
	require.ErrorContains(t, slot.Check(r.Source(slot.NewLocal(0))), "at least 1")
	src := r.Source(nil)
	require.Error(t, slot.Check(src))
	_, err := src.Enqueue(context.Background(), "")
	require.Error(t, err)
	_, _, err = slot.Try(context.Background(), src, "")
	require.Error(t, err)
	require.NoError(t, src.Close(context.Background()))
}

// hung is a source whose Close does not come to its end.
type hung struct{ slot.Source }

func (hung) Close(context.Context) error { return context.DeadlineExceeded }

func TestCloseEndsTheAccountOfSlotsThatTheSourceLeavesBehind(t *testing.T) {
	r := record(t)
	src := r.Source(hung{slot.NewLocal(1)})
	s, _, err := slot.Try(context.Background(), src, "")
	require.NoError(t, err)
	require.ErrorIs(t, src.Close(context.Background()), context.DeadlineExceeded)
	require.Empty(t, r.points(tracing.MetricSlotCount))
	require.Equal(t, []string{"1"}, trimTimes(r.points(tracing.MetricSlotUseTime)))
	require.Empty(t, r.points(tracing.MetricSlotLost))
	require.Contains(t, r.trees(), "slot hold 1", "its span has ended")
	require.NoError(t, s.Release())
	require.Equal(t, []string{"1"}, trimTimes(r.points(tracing.MetricSlotUseTime)))
}

func TestASlotCountsAsUsedWhateverWrapsItsSource(t *testing.T) {
	for name, wrap := range map[string]func(slot.Source) slot.Source{
		"nothing":            func(src slot.Source) slot.Source { return src },
		"All":                func(src slot.Source) slot.Source { return slot.All(slot.NewLocal(1), src) },
		"MinHold":            func(src slot.Source) slot.Source { return slot.MinHold(src, time.Minute) },
		"Fallback":           func(src slot.Source) slot.Source { return slot.Fallback(src, slot.NewLocal(1), 0) },
		"MinHold in All":     func(src slot.Source) slot.Source { return slot.All(slot.NewLocal(1), slot.MinHold(src, 1)) },
		"a test's Breakable": func(src slot.Source) slot.Source { return slottest.NewBreakable(src) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := record(t)
				src := wrap(r.Source(slot.NewLocal(1)))
				p := r.newPool(1, pool.WithSlots(src))
				require.NoError(t, p.Submit(func(context.Context) error {
					require.Equal(t, []string{"state=idle 0", "state=used 1"}, r.points(tracing.MetricSlotCount))
					return nil
				}).Wait(t.Context()))
				require.NoError(t, p.Shutdown(t.Context()))
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				require.NoError(t, src.Close(ctx))
			})
		})
	}
}

func TestTwoSourcesOfATracerCanBeToldApart(t *testing.T) {
	r := record(t)
	for _, opts := range [][]tracing.SourceOption{nil, nil, {tracing.WithSourceName("hosts")}} {
		src := r.Source(slot.NewLocal(1), opts...)
		defer src.Close(t.Context())
		_, _, err := slot.Try(t.Context(), src, "k")
		require.NoError(t, err)
	}
	require.Equal(t, []string{
		"source=2 state=idle 0", "source=2 state=used 1",
		"source=hosts state=idle 0", "source=hosts state=used 1",
		"state=idle 0", "state=used 1",
	}, r.points(tracing.MetricSlotCount))
}

func TestAWrongOptionMakesASourceThatRefusesEveryClaim(t *testing.T) {
	for _, opt := range []tracing.SourceOption{nil, tracing.WithSourceName("")} {
		src := record(t).Source(slot.NewLocal(1), opt)
		require.ErrorContains(t, slot.Check(src), "tracing: ")
		_, err := src.Enqueue(t.Context(), "k")
		require.Equal(t, slot.Check(src), err)
		_, _, err = slot.Try(t.Context(), src, "k")
		require.Equal(t, slot.Check(src), err)
		_, err = pool.New(1, pool.WithSlots(slot.All(slot.NewLocal(1), src)))
		require.Error(t, err)
		require.NoError(t, src.Close(t.Context()))
	}
}
