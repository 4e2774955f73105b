package dflockd

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/slot"
)

// This file has the claims of keys that are known to be contended: their wait
// is sent together with their enqueue, before it is known what that is
// answered.

func TestClaimOfAContendedKeyIsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := busy(t)
		src := newTestSource(t, p, slot.Fixed("k", 1))
		contend(src)
		require.NoError(t, src.Ping(t.Context())) // a connection is there
		_, before := p.counts()
		_, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		synctest.Wait()
		_, after := p.counts()
		require.Equal(t, []wire.Command{wire.SemEnqueue, wire.SemWait}, p.seen())
		require.Equal(t, 1, after-before)
	})
}

func TestReleaseAndTheNextClaimOfAContendedKeyAreOneWrite(t *testing.T) {
	// On one processor the goroutine that writes runs when the claim waits; on
	// two it can be so fast that it writes the release alone.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		contend(src)
		a, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		held, ok := a.Slot()
		require.True(t, ok)
		contend(src)
		synctest.Wait()
		_, before := l.counts()
		require.NoError(t, held.Release())
		_, err = src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		synctest.Wait()
		_, after := l.counts()
		require.Equal(t, 1, after-before)
	})
}

// The server starts the lease anew when it handles sw. That is not counted on:
// the slot is released to others by its guard unless it is renewed in time.
func TestASlotThatWasFreeAfterAllCountsFromItsEnqueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 2))
		contend(src)
		start := time.Now()
		s := claimNow(t, src, "")
		synctest.Wait()
		require.Equal(t, []wire.Command{wire.SemEnqueue, wire.SemWait}, p.seen())
		require.Equal(t, start.Add(lease.Lease{Length: 5 * time.Second}.Usable()), s.Info().ExpiresAt)
		require.False(t, s.Info().Queued)
		time.Sleep(time.Minute)
		require.NoError(t, s.Context().Err())
		require.NoError(t, s.Release())
	})
}

// denying is a server that grants at once and then answers the wait as told.
func denying(t *testing.T, line string) *peer {
	var p *peer
	p = newPeer(t, func(from int, r wire.Request) string {
		if r.Command == wire.SemWait {
			time.AfterFunc(100*time.Millisecond, func() { p.say(from, line) })
			return ""
		}
		return p.grants(r)
	})
	return p
}

func TestASlotThatItsWaitDeniesIsLost(t *testing.T) {
	for _, line := range []string{"error_lease_expired", "error_not_enqueued", "timeout"} {
		synctest.Test(t, func(t *testing.T) {
			src := newTestSource(t, denying(t, line), slot.Fixed("k", 1))
			contend(src)
			s := claimNow(t, src, "")
			time.Sleep(200 * time.Millisecond)
			require.ErrorIs(t, context.Cause(s.Context()), slot.ErrLost, line)
			require.Zero(t, load(src), line)
			require.Equal(t, 1, conns(src), line)
		})
	}
}

func TestAWaitThatIsAnsweredWithAnotherSlotBreaksTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newTestSource(t, denying(t, "ok 0123456789abcdef0123456789abcdef 5"), slot.Fixed("k", 1))
		contend(src)
		s := claimNow(t, src, "")
		time.Sleep(200 * time.Millisecond)
		require.ErrorIs(t, context.Cause(s.Context()), slot.ErrLost)
		require.Zero(t, conns(src))
	})
}

func TestAWaitThatIsNeverAnsweredBreaksTheConnectionInTime(t *testing.T) {
	for _, enqueue := range []string{"", "error_max_waiters"} {
		synctest.Test(t, func(t *testing.T) {
			var p *peer
			p = newPeer(t, func(_ int, r wire.Request) string {
				switch {
				case r.Command == wire.SemWait:
					return ""
				case r.Command == wire.SemEnqueue && enqueue != "":
					return enqueue
				}
				return p.grants(r)
			})
			src := newTestSource(t, p, slot.Fixed("k", 1), WithSocketTimeout(2*time.Second))
			contend(src)
			_, _ = src.Enqueue(t.Context(), "")
			require.Equal(t, 1, conns(src))
			time.Sleep(2500 * time.Millisecond)
			require.Zero(t, conns(src), enqueue)
		})
	}
}

func TestRefusedEnqueueMakesNothingOfTheWaitThatWasSentWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *peer
		p = newPeer(t, func(_ int, r wire.Request) string {
			switch r.Command {
			case wire.SemEnqueue:
				return "error_max_waiters"
			case wire.SemWait:
				return "error_not_enqueued"
			}
			return p.grants(r)
		})
		src := newTestSource(t, p, slot.Fixed("k", 1))
		contend(src)
		for range 3 {
			_, err := src.Enqueue(t.Context(), "")
			require.ErrorIs(t, err, ErrMaxWaiters)
		}
		synctest.Wait()
		dials, _ := p.counts()
		require.Equal(t, 1, dials, "the connection is as good as before")
	})
}

func TestCancelBeforeTheLineIsJoinedLeavesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		s := claimNow(t, src, "")
		contend(src)
		l.set(func() { l.delay = 300 * time.Millisecond })
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(200*time.Millisecond, func() { cancel(why) })
		_, err := src.Enqueue(ctx, "")
		require.ErrorIs(t, err, why)
		time.Sleep(time.Second)
		held, waiting := l.state()
		require.Equal(t, 1, held)
		require.Zero(t, waiting)
		require.NoError(t, s.Context().Err())
	})
}
