package slot_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// open is a source that notes what it is asked for.
type open struct {
	slot.Source
	asked []string
}

func (o *open) Inspect(_ context.Context, key string) (slot.State, error) {
	o.asked = append(o.asked, "inspect "+key)
	return slot.State{Name: key}, nil
}

func (o *open) Pause(_ context.Context, key string, d time.Duration) error {
	o.asked = append(o.asked, "pause "+key+" "+d.String())
	return nil
}

func (o *open) Revoke(_ context.Context, key, id string) error {
	o.asked = append(o.asked, "revoke "+key+" "+id)
	return nil
}

// around is a source of another package around one.
type around struct{ slot.Source }

func (a around) Unwrap() slot.Source { return a.Source }

// closedIn is one that does not say what is inside.
type closedIn struct{ slot.Source }

func TestASourceIsLookedIntoThroughWhatStandsInFrontOfIt(t *testing.T) {
	for _, wrap := range []func(slot.Source) slot.Source{
		func(s slot.Source) slot.Source { return s },
		func(s slot.Source) slot.Source { return around{s} },
		func(s slot.Source) slot.Source { return slot.MinHold(around{s}, time.Second) },
		func(s slot.Source) slot.Source { return slot.Fallback(s, slot.NewLocal(1), time.Second) },
		func(s slot.Source) slot.Source { return slot.All(s) },
	} {
		o := &open{Source: slot.NewLocal(1)}
		src := wrap(o)
		st, err := slot.Inspect(t.Context(), src, "k")
		require.NoError(t, err)
		require.Equal(t, "k", st.Name)
		require.NoError(t, slot.Pause(t.Context(), src, "k", time.Second))
		require.NoError(t, slot.Revoke(t.Context(), src, "k", "7"))
		require.Equal(t, []string{"inspect k", "pause k 1s", "revoke k 7"}, o.asked)
		require.NoError(t, src.Close(t.Context()))
	}
}

func TestASourceThatCannotBeLookedIntoSaysSo(t *testing.T) {
	both := slot.All(&open{Source: slot.NewLocal(1)}, &open{Source: slot.NewLocal(1)})
	for _, src := range []slot.Source{both, around{closedIn{slot.NewLocal(1)}}, around{}} {
		_, err := slot.Inspect(t.Context(), src, "k")
		require.Error(t, err)
		if src == slot.Source(around{}) {
			continue // it has nothing inside, which Check says
		}
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorIs(t, slot.Pause(t.Context(), src, "k", time.Second), errors.ErrUnsupported)
		require.ErrorIs(t, slot.Revoke(t.Context(), src, "k", "7"), errors.ErrUnsupported)
	}
	_, err := slot.Inspect(t.Context(), nil, "k")
	require.ErrorContains(t, err, "the source is nil")
}
