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
