package dflockd

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

// paced returns a source of 5 slots for each key at ten a second.
func paced(t *testing.T, dial DialFunc) (src *Source, at slot.Source) {
	src, err := NewSource(slot.Keyed("", 5), WithDialer(dial), WithLease(10*time.Second))
	require.NoError(t, err)
	at = slot.Pace(src, slot.PerSecond(10), 1)
	t.Cleanup(func() { _ = at.Close(context.Background()) })
	return src, at
}

func TestStartsOfSeveralSourcesComeAtOneRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ln := startServer(t)
		_, a := paced(t, newNetwork(ln.serve).dial)
		_, b := paced(t, newNetwork(ln.serve).dial)
		begun := time.Now()
		for i := range 10 {
			for _, src := range []slot.Source{a, b} {
				require.NoError(t, slot.Do(t.Context(), src, "k", func(context.Context) error { return nil }))
			}
			require.Equal(t, time.Duration(2*i+1)*100*time.Millisecond, time.Since(begun))
		}
	})
}

func TestAGrantWithAPaceThatNobodyAskedForIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ln := startServer(t)
		_, src := paced(t, newNetwork(ln.serve).dial)
		require.False(t, slot.Late(claimNow(t, src, "k")))
		ticket, err := src.Enqueue(t.Context(), "k")
		require.NoError(t, err)
		time.Sleep(170 * time.Millisecond) // it was granted 70 ms ago
		s, err := ticket.Wait(t.Context())
		require.NoError(t, err)
		require.True(t, slot.Late(s))
	})
}

func TestAClaimWithAPaceIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ln := startServer(t)
		src, at := paced(t, newNetwork(ln.serve).dial)
		begun := time.Now()
		require.NoError(t, claimNow(t, at, "k").Release())
		told := make(chan slot.Slot, 1)
		_, err := src.AtPace(100*time.Millisecond, 1).(slot.Joiner).Join(t.Context(), "k", grantsTo(told))
		require.NoError(t, err)
		s := <-told
		require.Equal(t, 100*time.Millisecond, time.Since(begun))
		require.NoError(t, s.Release())
	})
}

type grantsTo chan slot.Slot

func (g grantsTo) Granted(s slot.Slot) { g <- s }
func (g grantsTo) Refused(error)       { close(g) }

// An original server has no clocks. Nothing that it does not know is sent, and turns do it.
func TestOnAnOriginalServerARateIsMadeOfTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, nil)
		p.answer = func(_ int, r wire.Request) string { return p.grants(r) }
		src := newTestSource(t, p, slot.Keyed("", 5))
		for range 2 {
			_, err := src.AtPace(time.Second, 1).Enqueue(t.Context(), "k")
			require.ErrorIs(t, err, errors.ErrUnsupported)
			require.False(t, slot.IsPermanent(err))
			require.ErrorContains(t, err, "clocks")
		}
		at := slot.Pace(src, slot.PerSecond(10), 2)
		s := claimNow(t, at, "k")
		require.Equal(t, 5, s.Info().Limit)
		require.NoError(t, s.Release())
		time.Sleep(time.Second)
		sent := map[string]int64{}
		for _, r := range p.heardAll() {
			require.Less(t, r.Command, wire.PacedLock, "no command that it does not know")
			if r.Command == wire.SemLock {
				sent[r.Key] = r.Limit
			}
		}
		require.Equal(t, map[string]int64{"k": 5, "k" + slot.TurnsSuffix: 2}, sent)
	})
}

func TestASourceKeepsThePromisesOfAPaceByTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ln := startServer(t)
		_, src := paced(t, clockless(newNetwork(ln.serve).dial))
		begun := time.Now()
		for i := range 5 {
			require.NoError(t, slot.Do(t.Context(), src, "k", func(context.Context) error { return nil }))
			require.Equal(t, time.Duration(i)*100*time.Millisecond, time.Since(begun))
		}
		time.Sleep(time.Second)
	})
}

func TestANameThatIsTooLongForTurnsIsRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ln := startServer(t)
		_, src := paced(t, clockless(newNetwork(ln.serve).dial))
		_, err := src.Enqueue(t.Context(), strings.Repeat("k", 256))
		require.ErrorIs(t, err, slot.ErrKey)
	})
}

// A restart forgets the clock: there can be one burst more, and then the rate again.
func TestARestartOfTheServerLetsOneMoreBurstGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, ln := startServer(t)
		n := newNetwork(func(c net.Conn) { ln.serve(c) })
		_, src := paced(t, n.dial)
		require.NoError(t, claimNow(t, src, "k").Release())
		srv.Close()
		_, ln = startServer(t, server.WithStartupGrace(0))
		time.Sleep(10 * time.Millisecond)
		begun := time.Now()
		for range 3 {
			for slot.Do(t.Context(), src, "k", func(context.Context) error { return nil }) != nil {
				time.Sleep(time.Millisecond)
			}
		}
		require.GreaterOrEqual(t, time.Since(begun), 200*time.Millisecond)
		require.Less(t, time.Since(begun), 290*time.Millisecond)
	})
}
