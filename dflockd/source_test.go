package dflockd

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/stacktest/goroutines"
	"github.com/berth-go/berth/slot"
)

func TestUncontendedClaimIsOneRoundTripInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 3))
		require.NoError(t, src.Ping(t.Context()))
		synctest.Wait()
		dials, writes := p.counts()
		for i := range 5 {
			before := len(p.seen())
			s := claimNow(t, src, "")
			require.Equal(t, []wire.Command{wire.SemLock}, p.seen()[before:])
			require.Equal(t, wire.Request{Command: wire.SemLock, Key: "k", Limit: 3, Lease: 5}, p.last(wire.SemLock).Request)
			_, now := p.counts()
			require.Equal(t, writes+2*i+1, now)
			require.NoError(t, s.Release())
			synctest.Wait()
		}
		again, _ := p.counts()
		require.Equal(t, dials, again, "a claim dialled")
	})
}

func TestNoGoroutineIsStartedPerClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newTestSource(t, generous(t), slot.Fixed("k", 100))
		claimNow(t, src, "")
		synctest.Wait()
		before := goroutines.InBubble(t)
		for range maxLoad - 1 {
			claimNow(t, src, "")
		}
		synctest.Wait()
		require.Equal(t, before, goroutines.InBubble(t))
	})
}

func TestSixteenClaimsShareAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 100))
		var slots []slot.Slot
		for range 40 {
			slots = append(slots, claimNow(t, src, ""))
		}
		dials, _ := p.counts()
		require.Equal(t, 3, dials)
		for _, s := range slots {
			require.NoError(t, s.Release())
		}
		for range 40 {
			claimNow(t, src, "")
		}
		dials, _ = p.counts()
		require.Equal(t, 3, dials, "connections are kept")
	})
}

func TestManyClaimsAtOnceNeedFewDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 100))
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				_, err := src.Enqueue(t.Context(), "")
				require.NoError(t, err)
			})
		}
		wg.Wait()
		dials, _ := p.counts()
		require.Equal(t, 4, dials)
	})
}

func TestRenewalsOfAConnectionShareAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 100))
		for range maxLoad {
			claimNow(t, src, "")
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		_, before := p.counts()
		time.Sleep(1600 * time.Millisecond) // past a third of the lease for the first claims
		synctest.Wait()
		_, after := p.counts()
		require.Equal(t, maxLoad, p.count(wire.SemRenew))
		require.Equal(t, 1, after-before)
	})
}

func TestRenewalAsksForTheLeaseEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 1), WithLease(3500*time.Millisecond))
		s := claimNow(t, src, "")
		time.Sleep(time.Minute)
		require.NoError(t, s.Context().Err())
		require.Equal(t, int64(4), p.last(wire.SemRenew).Lease, "rounded up to whole seconds")
		n := p.count(wire.SemRenew)
		require.GreaterOrEqual(t, n, 44)
		require.LessOrEqual(t, n, 62)
	})
}

func TestWithoutALeaseTheServersIsUsedAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src, err := NewSource(slot.Fixed("k", 1), WithDialer(p.dial))
		require.NoError(t, err)
		defer src.Close(t.Context())
		s := claimNow(t, src, "")
		require.WithinDuration(t, time.Now().Add(33*time.Second), s.Info().ExpiresAt, 3*time.Second)
		time.Sleep(5 * time.Minute)
		require.NoError(t, s.Context().Err())
		require.Zero(t, p.last(wire.SemRenew).Lease)
	})
}

func TestClaimThatMissesWaitsOnAConnectionOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := busy(t)
		src := newTestSource(t, p, slot.Fixed("k", 2))
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []wire.Command{wire.SemLock, wire.SemEnqueue, wire.SemWait}, p.seen(), "sw is sent before anybody waits")
		_, ok := ticket.Slot()
		require.False(t, ok)

		waiting := p.last(wire.SemWait).from
		_, err = src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, wire.SemEnqueue, p.seen()[3], "a contended key joins the line without trying first")
		require.NotEqual(t, waiting, p.last(wire.SemWait).from)

		p.say(waiting, "ok "+p.token()+" 5")
		s, err := ticket.Wait(t.Context())
		require.NoError(t, err)
		require.True(t, s.Info().Queued)
		_, ok, err = src.Try(t.Context(), "")
		require.NoError(t, err)
		require.False(t, ok)
		require.Equal(t, waiting, p.last(wire.SemLock).from, "once sw has answered, others share its connection")
	})
}

func TestFreeSlotEndsTheContendedStateOfItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *peer
		full := true
		p = newPeer(t, func(_ int, r wire.Request) string {
			if r.Command == wire.SemLock && full {
				full = false
				return "timeout"
			}
			return p.grants(r)
		})
		src := newTestSource(t, p, slot.Fixed("k", 2))
		claimNow(t, src, "")
		claimNow(t, src, "")
		require.Equal(t, []wire.Command{wire.SemLock, wire.SemEnqueue, wire.SemWait, wire.SemLock}, p.seen())
	})
}

func TestAlreadyEnqueuedIsTriedOnAnotherConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *peer
		p = newPeer(t, func(from int, r wire.Request) string {
			switch {
			case r.Command == wire.SemLock:
				return "timeout"
			case r.Command == wire.SemEnqueue && from == 0:
				return "error_already_enqueued"
			}
			return p.grants(r)
		})
		src := newTestSource(t, p, slot.Fixed("k", 2))
		claimNow(t, src, "")
		require.Equal(t, 1, p.last(wire.SemEnqueue).from)
	})
}

func TestTryOfAFullKeyLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := busy(t)
		src := newTestSource(t, p, slot.Keyed("host:", 2))
		s, ok, err := src.Try(t.Context(), "a")
		require.NoError(t, err)
		require.False(t, ok)
		require.Nil(t, s)
		require.Equal(t, []wire.Command{wire.SemLock}, p.seen())
		require.Equal(t, "host:a", p.last(wire.SemLock).Key)
		n, ok := src.Limit("a")
		require.True(t, ok)
		require.Equal(t, 2, n)
	})
}

func TestKeyThatCannotBeSentSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Keyed("host:", 2))
		for name, key := range map[string]string{
			"empty": "", "newline": "a\nsr", "return": "a\r", "NUL": "a\x00", "space": "a b", "tab": "a\tb",
			"long": strings.Repeat("x", 257), "no UTF-8": "a\xff",
		} {
			_, err := src.Enqueue(t.Context(), key)
			require.ErrorIs(t, err, slot.ErrKey, name)
			_, _, err = src.Try(t.Context(), key)
			require.ErrorIs(t, err, slot.ErrKey, name)
		}
		dials, writes := p.counts()
		require.Zero(t, dials+writes)
		for _, bad := range []slot.Limits{slot.Fixed("", 1), slot.Fixed("a b", 1), slot.Fixed("a", 0), slot.Keyed("a", -1), slot.Keyed("a\n", 1), slot.Fixed(strings.Repeat("x", 257), 1)} {
			_, err := NewSource(bad)
			require.Error(t, err)
		}
	})
}

func TestRefusalsAreTyped(t *testing.T) {
	for answer, want := range map[string]error{
		"error_limit_mismatch": ErrLimitMismatch,
		"error_max_locks":      ErrMaxLocks,
		"error_max_waiters":    ErrMaxWaiters,
		"error_draining":       slot.ErrUnavailable,
		"error":                ErrRefused,
		"error_tuesday later":  ErrRefused,
	} {
		synctest.Test(t, func(t *testing.T) {
			var p *peer
			p = newPeer(t, func(_ int, r wire.Request) string {
				if r.Command == wire.SemLock {
					return answer
				}
				return p.grants(r)
			})
			src := newTestSource(t, p, slot.Fixed("k", 2))
			_, err := src.Enqueue(t.Context(), "")
			require.ErrorIs(t, err, want)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "claim", e.Op)
			require.Equal(t, "k", e.Key)
			require.Equal(t, "127.0.0.1:6388", e.Server)
			if errors.Is(want, ErrRefused) {
				require.Contains(t, err.Error(), answer)
			}
			_, err = src.Enqueue(t.Context(), "")
			require.ErrorIs(t, err, want)
			dials, _ := p.counts()
			require.Equal(t, 1, dials, "a refusal breaks no connection")
		})
	}
}

func TestTraceTellsTheStagesOfAClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := busy(t)
		src := newTestSource(t, p, slot.Fixed("k", 2))
		var got []string
		note := func(what string) func(time.Time) { return func(time.Time) { got = append(got, what) } }
		ctx := slot.WithTrace(t.Context(), &slot.Trace{
			Queued: note("queued"), Granted: note("granted"), Confirmed: note("confirmed"),
			Renewed: func(took time.Duration, err error) {
				require.NoError(t, err)
				require.Equal(t, 50*time.Millisecond, took)
				got = append(got, "renewed")
			},
		})
		ticket, err := src.Enqueue(ctx, "")
		require.NoError(t, err)
		time.Sleep(time.Second)
		p.set(func() { p.delay = 25 * time.Millisecond })
		p.say(p.last(wire.SemWait).from, "ok "+p.token()+" 5")
		s, err := ticket.Wait(t.Context())
		require.NoError(t, err)
		info := s.Info()
		require.Equal(t, 50*time.Millisecond, info.ConfirmedAt.Sub(info.GrantedAt))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"queued", "granted", "confirmed", "renewed"}, got)
	})
}

func TestOptionsThatASourceCannotUseAreRefused(t *testing.T) {
	_, err := NewSource(slot.Fixed("k", 1), WithAcquireTimeout(time.Second), WithOnLost(func(string, string) {}))
	require.ErrorContains(t, err, "WithAcquireTimeout, WithOnLost")
}

func TestEndedContextClaimsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 1))
		why := errors.New("no time")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		_, err := src.Enqueue(ctx, "")
		require.ErrorIs(t, err, why)
		require.Empty(t, p.seen())
	})
}

func TestIdleConnectionsAreClosedBeforeTheServerCutsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 100))
		s := claimNow(t, src, "")
		time.Sleep(time.Minute)
		require.NoError(t, s.Context().Err(), "a connection with a slot is not idle")
		require.NoError(t, s.Release())
		time.Sleep(longestIdle + 3*time.Second)
		require.Zero(t, conns(src))
		claimNow(t, src, "")
		dials, _ := p.counts()
		require.Equal(t, 2, dials)
	})
}

func TestServersReadTimeoutShortensHeartbeatAndIdleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *peer
		p = newPeer(t, func(_ int, r wire.Request) string {
			if r.Command == wire.Hello {
				return "ok 1 strict=0 read_timeout_ms=3000 max_lease_s=0 fence=0 tags=0 ping=1"
			}
			return p.grants(r)
		})
		src := newTestSource(t, p, slot.Fixed("k", 100), WithLease(time.Minute))
		s := claimNow(t, src, "")
		time.Sleep(10*time.Second + 500*time.Millisecond)
		require.GreaterOrEqual(t, p.count(wire.SemRenew), 10)
		require.NoError(t, s.Release())
		time.Sleep(1600 * time.Millisecond)
		require.Zero(t, conns(src))
		require.NoError(t, src.Ping(t.Context()))
		require.Equal(t, 1, p.count(wire.Ping))
	})
}

func TestClaimThatMissedDoesNotTryAgainAtTheSpeedOfTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := busy(t)
		src := newTestSource(t, p, slot.Fixed("k", 2))
		require.NoError(t, src.Ping(t.Context()))
		e := src.endpoints[0]
		e.lock()
		e.tags = true // another connection, to another version of the server, has them
		e.unlock()
		_, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []wire.Command{wire.SemLock, wire.SemEnqueue, wire.SemWait}, p.seen())
	})
}

// A ticket whose owner has gone must not keep a slot from the others for ever.
func TestATicketThatNobodyAsksBecomesNoSlotThatIsRenewed(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		_, opts := d.start(t, WithLease(6*time.Second))
		source := func() *Source {
			src, err := NewSource(slot.Fixed("k", 1), opts...)
			require.NoError(t, err)
			t.Cleanup(func() { _ = src.Close(context.Background()) })
			return src
		}
		a, b, c := source(), source(), source()
		first := claimNow(t, a, "")
		ticket, err := b.Enqueue(t.Context(), "")
		require.NoError(t, err)
		third := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := acquire(ctx, c)
			third <- err
		}()
		synctest.Wait()
		start := time.Now()
		require.NoError(t, first.Release())
		require.NoError(t, <-third)
		require.LessOrEqual(t, time.Since(start), 6*time.Second, "its lease has ended")
		_, ok := ticket.Slot()
		require.False(t, ok)
		_, err = ticket.Wait(t.Context())
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.NotErrorIs(t, err, slot.ErrLost, "nobody had it")
		require.ErrorContains(t, err, "nobody asked")
		require.NoError(t, ticket.Close())
	})
}

func TestAGrantThatIsTakenLateIsRenewedFromThenOn(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		_, opts := d.start(t, WithLease(6*time.Second))
		src, err := NewSource(slot.Fixed("k", 2), opts...)
		require.NoError(t, err)
		t.Cleanup(func() { _ = src.Close(context.Background()) })
		free, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		held := claimNow(t, src, "")
		queued, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		require.NoError(t, held.Release())
		time.Sleep(4 * time.Second) // a renewal would have been due after two
		for _, ticket := range []slot.Ticket{free, queued} {
			s, ok := ticket.Slot()
			require.True(t, ok)
			time.Sleep(100 * time.Millisecond)
			require.Greater(t, time.Until(s.Info().ExpiresAt), 4*time.Second)
		}
		time.Sleep(time.Minute)
		_, ok, err := src.Try(t.Context(), "")
		require.NoError(t, err)
		require.False(t, ok, "both are held")
	})
}
