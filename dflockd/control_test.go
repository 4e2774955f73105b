package dflockd

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

// A zoo is a server with a secret and an administrator's.
type zoo struct {
	t    *testing.T
	dial DialFunc
}

func newZoo(t *testing.T) *zoo {
	_, ln := startServer(t, server.WithSecret("sesame"), server.WithAdminSecrets("zookeeper"))
	return &zoo{t, newNetwork(ln.serve).dial}
}

// source returns a source that shows this secret.
func (z *zoo) source(secret string) *Source {
	src, err := NewSource(slot.Keyed("", 2), WithDialer(z.dial), WithLease(10*time.Second), WithAuth(secret))
	require.NoError(z.t, err)
	z.t.Cleanup(func() { _ = src.Close(context.Background()) })
	return src
}

func TestAPauseStopsGrantsForEverybodyAndHoldersHearOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZoo(t)
		src, other, admin := z.source("sesame"), z.source("sesame"), z.source("zookeeper")
		held, theirs := claimNow(t, src, "k"), claimNow(t, other, "k")
		require.Zero(t, held.Info().PausedUntil)
		until := time.Now().Add(30 * time.Second)
		require.NoError(t, src.Pause(t.Context(), "k", 30*time.Second))
		require.NoError(t, src.Pause(t.Context(), "k", time.Second), "a shorter one changes nothing")
		require.WithinDuration(t, until, held.Info().PausedUntil, time.Millisecond)
		require.Zero(t, theirs.Info().PausedUntil)
		time.Sleep(10 * time.Second) // until a renewal says so
		require.WithinDuration(t, until, theirs.Info().PausedUntil, time.Millisecond)
		require.NoError(t, theirs.Release())

		_, ok, err := other.Try(t.Context(), "k")
		require.NoError(t, err)
		require.False(t, ok, "a slot is free, and the key is paused")
		ticket, err := other.Enqueue(t.Context(), "k")
		require.NoError(t, err)
		st, err := other.Inspect(t.Context(), "k")
		require.NoError(t, err)
		require.WithinDuration(t, until, st.PausedUntil, time.Millisecond)
		s, err := ticket.Wait(t.Context())
		require.NoError(t, err)
		require.WithinDuration(t, until, time.Now(), time.Millisecond)
		require.NoError(t, s.Release())
		time.Sleep(10 * time.Second)
		require.Zero(t, held.Info().PausedUntil, "the renewals say it no more")

		require.NoError(t, admin.Pause(t.Context(), "k", time.Hour))
		require.NoError(t, admin.Pause(t.Context(), "k", 0))
		require.NoError(t, claimNow(t, other, "k").Release())
	})
}

func TestWhoMayPauseAndTakeBackIsUpToTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZoo(t)
		src, other, admin := z.source("sesame"), z.source("sesame"), z.source("zookeeper")
		err := src.Pause(t.Context(), "k", time.Second)
		require.ErrorIs(t, err, slot.ErrNotAllowed, "it holds nothing of it and waits for nothing")
		require.ErrorContains(t, err, `dflockd: pause "k" at 127.0.0.1:6388: it takes a slot of the key`)
		held := []slot.Slot{claimNow(t, other, "k"), claimNow(t, other, "k")}
		ticket, err := src.Enqueue(t.Context(), "k")
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, src.Pause(t.Context(), "k", time.Second), "who waits may")
		require.NoError(t, ticket.Close())
		require.ErrorIs(t, other.Pause(t.Context(), "k", slot.MaxPause+1), slot.ErrNotAllowed)
		require.ErrorIs(t, other.Pause(t.Context(), "k", 0), slot.ErrNotAllowed)
		require.ErrorContains(t, other.Pause(t.Context(), "k", -1), "is negative")

		st, err := admin.Inspect(t.Context(), "k")
		require.NoError(t, err)
		id := st.Holders[0].ID
		require.ErrorIs(t, other.Revoke(t.Context(), "k", id), slot.ErrNotAllowed)
		require.ErrorIs(t, admin.Revoke(t.Context(), "elsewhere", id), slot.ErrNoHolder)
		require.ErrorIs(t, admin.Revoke(t.Context(), "k", "7"), slot.ErrNoHolder)
		require.NoError(t, admin.Revoke(t.Context(), "k", id))
		require.NoError(t, held[0].Context().Err(), "it hears of it at its next renewal")
		time.Sleep(5 * time.Second)
		lostBecause(t, held[0], slot.ErrRevoked)
		require.NoError(t, held[1].Context().Err())
		_, ok, err := src.Try(t.Context(), "k")
		require.NoError(t, err)
		require.False(t, ok, "it is free when its lease ends, and no sooner")
		time.Sleep(6 * time.Second)
		require.NoError(t, claimNow(t, src, "k").Release())
	})
}

func TestAnOriginalServerCanBeToldNeither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, nil)
		p.answer = func(_ int, r wire.Request) string {
			if r.Command == wire.Hello {
				return "error"
			}
			return p.grants(r)
		}
		src := newTestSource(t, p, slot.Fixed("k", 1))
		claimNow(t, src, "")
		require.ErrorIs(t, src.Pause(t.Context(), "", time.Second), errors.ErrUnsupported)
		require.ErrorIs(t, src.Revoke(t.Context(), "", "0123456789abcdef"), errors.ErrUnsupported)
		require.Zero(t, p.count(wire.Pause)+p.count(wire.Revoke))
	})
}
