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
