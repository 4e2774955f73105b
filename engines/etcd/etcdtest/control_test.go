package etcdtest_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/slot"
)

var discard = slog.New(slog.DiscardHandler)

func TestInspectTellsHoldersAndWaitersInOrder(t *testing.T) {
	prefix := newPrefix()
	client := connect(t, single)
	a := newSource(t, client, prefix, slot.Keyed("k:", 2), etcd.WithName("a"))
	b := newSource(t, client, prefix, slot.Keyed("k:", 2), etcd.WithName("b"))
	state, err := slot.Inspect(t.Context(), a, "x")
	require.NoError(t, err)
	require.Equal(t, slot.State{Name: "k:x"}, state)

	start := time.Now().Truncate(time.Millisecond)
	first, second := claim(t, a, "x"), claim(t, b, "x")
	queued(t, b, "x")
	queued(t, a, "x")
	state, err = slot.Inspect(t.Context(), slot.MinHold(a, time.Second), "x")
	require.NoError(t, err)
	require.Equal(t, 2, state.Held)
	require.Equal(t, 2, state.Waiting)
	require.Equal(t, []slot.Holder{{Name: "a", ID: idOf(first), Limit: 2}, {Name: "b", ID: idOf(second), Limit: 2}}, state.Holders)
	for i, name := range []string{"b", "a"} {
		w := state.Waiters[i]
		require.Equal(t, name, w.Name)
		require.Equal(t, 2, w.Limit)
		require.False(t, w.Since.Before(start) || w.Since.After(time.Now()), "%v", w.Since)
	}
	require.True(t, state.PausedUntil.IsZero())
}

// idOf returns what Inspect calls a grant.
func idOf(s slot.Slot) string {
	const digits = "0123456789abcdef"
	id := make([]byte, 16)
	for i, f := 15, s.Info().Fence; i >= 0; i, f = i-1, f>>4 {
		id[i] = digits[f&15]
	}
	return string(id)
}

func TestInspectListsNoMoreThanItMay(t *testing.T) {
	src := newSource(t, connect(t, single), newPrefix(), slot.Keyed("k:", 1), etcd.WithLease(time.Minute))
	h := &teller{granted: make(chan slot.Slot, 1)}
	for range slot.MaxListed + 20 {
		_, err := src.Join(t.Context(), "x", h)
		require.NoError(t, err)
	}
	<-h.granted
	waitFor(t, "all are in line", func() bool {
		state, err := src.Inspect(t.Context(), "x")
		require.NoError(t, err)
		require.LessOrEqual(t, len(state.Waiters), slot.MaxListed)
		return state.Held == 1 && state.Waiting == slot.MaxListed+19 && len(state.Waiters) == slot.MaxListed
	})
}

func TestNobodyIsGrantedASlotDuringAPauseAndTheLineGoesOnAfterIt(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	client := connect(t, single)
	src := newSource(t, client, prefix, slot.Keyed("k:", 2), etcd.WithLease(2*short))
	other := newSource(t, connect(t, single), prefix, slot.Keyed("k:", 2), etcd.WithLease(2*short))
	held := claim(t, src, "x")
	require.NoError(t, slot.Pause(t.Context(), other, "x", time.Minute))
	first, second := queued(t, src, "x"), queued(t, other, "x")
	_, ok, err := src.Try(t.Context(), "x")
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, claim(t, src, "y").Release(), "other names are not paused")
	state, err := src.Inspect(t.Context(), "x")
	require.NoError(t, err)
	require.WithinRange(t, state.PausedUntil, time.Now(), time.Now().Add(time.Minute))
	waitFor(t, "the holder hears of it", func() bool { return !held.Info().PausedUntil.IsZero() })
	require.NoError(t, held.Context().Err())

	require.NoError(t, src.Pause(t.Context(), "x", 2*time.Second), "a shorter one ends nothing")
	shorter, err := src.Inspect(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, state.PausedUntil, shorter.PausedUntil)
	require.ErrorContains(t, src.Pause(t.Context(), "x", -1), "negative")

	for _, ticket := range []slot.Ticket{first, second} {
		_, ok := ticket.Slot()
		require.False(t, ok, "a slot is free, and the key is paused")
	}
	require.NoError(t, src.Pause(t.Context(), "x", 0))
	grantOf(t, first)
	require.NoError(t, held.Release())
	grantOf(t, second)
}

func TestAPauseEndsByItself(t *testing.T) {
	t.Parallel()
	src := newSource(t, connect(t, single), newPrefix(), slot.Keyed("k:", 1))
	require.NoError(t, src.Pause(t.Context(), "x", time.Millisecond))
	s := grantOf(t, queued(t, src, "x"))
	require.True(t, s.Info().Queued)
}

// The holder learns it with a beat: nobody of its source waits, so nothing is watched.
func TestARevokedSlotEndsItsContextAndIsFreeALeaseLater(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	holder := newSource(t, connect(t, single), prefix, slot.Keyed("k:", 1), etcd.WithLease(short))
	operator := newSource(t, connect(t, single), prefix, slot.Keyed("k:", 1), etcd.WithLease(short))
	s := claim(t, holder, "x")
	next := queued(t, operator, "x")
	require.ErrorIs(t, operator.Revoke(t.Context(), "x", "0000000000000000"), slot.ErrNoHolder)
	require.NoError(t, slot.Revoke(t.Context(), operator, "x", idOf(s)))
	<-s.Context().Done()
	for range 50 { // time enough for a removal to be carried out
		require.NoError(t, claim(t, operator, "y").Release())
	}
	_, ok := next.Slot()
	require.False(t, ok, "it is not free at once: its job has a lease to notice")
	require.ErrorIs(t, context.Cause(s.Context()), slot.ErrLost)
	require.ErrorIs(t, context.Cause(s.Context()), slot.ErrRevoked)
	require.NoError(t, operator.Revoke(t.Context(), "x", idOf(s)), "again it does nothing")
	grantOf(t, next)
	require.ErrorIs(t, s.Release(), slot.ErrRevoked)
	require.ErrorIs(t, operator.Revoke(t.Context(), "x", idOf(s)), slot.ErrNoHolder)
}
