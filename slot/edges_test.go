package slot_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestALocalSourceThatIsClosedOrAskedTooLateRefusesItsControls(t *testing.T) {
	l := slot.NewLocalKeyed(1)
	held := take(t, l, "k")
	st, err := l.Inspect(t.Context(), "k")
	require.NoError(t, err)
	id := st.Holders[0].ID

	cause := errors.New("enough")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err = l.Inspect(ended, "k")
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, l.Pause(ended, "k", time.Minute), cause)
	require.ErrorIs(t, l.Revoke(ended, "k", id), cause)

	require.NoError(t, l.Pause(t.Context(), "k", time.Minute))
	require.NoError(t, l.Pause(t.Context(), "k", time.Hour), "it is prolonged")
	require.NoError(t, held.Release())
	require.NoError(t, l.Close(t.Context()))
	_, err = l.Inspect(t.Context(), "k")
	require.ErrorIs(t, err, slot.ErrClosed)
	require.ErrorIs(t, l.Pause(t.Context(), "k", time.Minute), slot.ErrClosed)
	require.ErrorIs(t, l.Revoke(t.Context(), "k", id), slot.ErrClosed)
}

func TestALocalSourceWhoseLimitsAreWrongRefusesItsControls(t *testing.T) {
	l := slot.NewLocalLimits(slot.Keyed("k:", 0))
	_, err := l.Inspect(t.Context(), "k")
	require.ErrorContains(t, err, "must be 1 or more")
	require.ErrorContains(t, l.Pause(t.Context(), "k", time.Minute), "must be 1 or more")
	require.ErrorContains(t, l.Revoke(t.Context(), "k", "0000000000000001"), "must be 1 or more")
}

func TestAFallbackAfterANegativeTimeIsRefused(t *testing.T) {
	err := slot.Check(slot.Fallback(slot.NewLocal(1), slot.NewLocal(1), -time.Second))
	require.ErrorContains(t, err, "must not be negative")
}

func TestAPaceThatIsNoneIsRefusedByALocalSource(t *testing.T) {
	src := slot.NewLocal(1).AtPace(0, 0)
	_, err := src.Enqueue(t.Context(), "")
	require.ErrorContains(t, err, "AtPace: the interval")
	_, _, err = slot.Try(t.Context(), src, "")
	require.ErrorContains(t, err, "AtPace: the interval")
	require.NoError(t, src.Close(t.Context()), "the source itself goes on")
}

// A parted source has a server for each key.
type parted struct{ *slot.Local }

func (parted) Partition(key string) string { return "server of " + key }

func TestWhatStandsInFrontOfASourceKnowsWhichServerHasAKey(t *testing.T) {
	src := parted{slot.NewLocalKeyed(1)}
	for _, front := range []slot.Source{
		slot.Fallback(src, slot.NewLocal(1), time.Second), slot.MinHold(src, time.Second), slot.Pace(src, slot.Every(time.Second), 1),
	} {
		require.NoError(t, slot.Check(front))
		p, ok := front.(interface{ Partition(key string) string })
		require.True(t, ok, "%T", front)
		require.Equal(t, "server of k", p.Partition("k"))
	}
}

func TestASlotOfAFrontIsLookedIntoThroughIt(t *testing.T) {
	for _, front := range []func(src slot.Source) slot.Source{
		func(src slot.Source) slot.Source { return slot.MinHold(src, time.Millisecond) },
		func(src slot.Source) slot.Source { return slot.Pace(src, slot.Every(time.Millisecond), 1) },
		func(src slot.Source) slot.Source { return slot.All(src, slot.NewLocal(1)) },
	} {
		src := front(slot.NewLocalKeyed(1))
		ticket, err := src.Enqueue(t.Context(), "k")
		require.NoError(t, err)
		held, err := ticket.Wait(t.Context())
		require.NoError(t, err)
		switch inner := held.(type) {
		case interface{ Unwrap() slot.Slot }:
			require.NotNil(t, inner.Unwrap())
		case interface{ Unwrap() []slot.Slot }:
			require.Len(t, inner.Unwrap(), 2)
		default:
			t.Errorf("%T shows nothing of what it is made of", held)
		}
		require.NoError(t, held.Release())
		require.NoError(t, src.Close(t.Context()))
	}
}
