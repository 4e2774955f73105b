package slot_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// wrapped is a source around another, as an instrumentation has it.
type wrapped struct{ slot.Source }

func (w wrapped) Unwrap() slot.Source { return w.Source }

func TestCheckLooksThroughSourcesOfOtherPackages(t *testing.T) {
	require.NoError(t, slot.Check(wrapped{slot.NewLocal(1)}))
	bad := slot.NewLocal(0)
	require.Equal(t, slot.Check(bad), slot.Check(wrapped{wrapped{bad}}))
	require.Error(t, slot.Check(wrapped{nil}))
}

func TestANilSourceIsAnErrorWhereverItIs(t *testing.T) {
	var local *slot.Local // as it comes with an error that nobody has looked at
	ok := slot.NewLocal(1)
	for name, src := range map[string]slot.Source{
		"alone":            local,
		"inside a wrapper": wrapped{local},
		"in All":           slot.All(ok, local),
		"in MinHold":       slot.MinHold(local, 1),
		"in Fallback":      slot.Fallback(local, ok, 0),
		"as a local share": slot.Fallback(ok, local, 0),
	} {
		require.ErrorContains(t, slot.Check(src), "nil *slot.Local", name)
	}
	_, _, err := slot.Try(t.Context(), nil, "k")
	require.ErrorContains(t, err, "the source is nil")
}

func TestWhatIsWrongInsideASourceIsSaidWithoutNamingThePackageTwice(t *testing.T) {
	ok := slot.NewLocal(1)
	err := slot.Check(slot.All(ok, slot.Fallback(slot.NewLocal(2), slot.NewLocal(0), 0)))
	require.EqualError(t, err, "slot: source 2 of All: the local share of Fallback: a local source of 0 slots: the number must be at least 1")
	require.ErrorContains(t, slot.Check(slot.Fallback(ok, ok, 0)), "from a source to itself")
}
