package etcd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	r := record{slot.DefaultName(), time.UnixMilli(1_764_000_000_123), 17}
	require.Equal(t, r, parseRecord(r.String()))
	for _, text := range []string{"", "x", "a b c", "a 1 x", "a x 1", "a 1 2 3"} {
		require.Equal(t, record{}, parseRecord(text), "%q", text)
	}
}

func TestFencesRiseWithTheRevisionAndThePosition(t *testing.T) {
	require.Less(t, fence(5, 0), fence(5, 1))
	require.Less(t, fence(5, maxOps), fence(6, 0))
	require.LessOrEqual(t, maxOps, 256)
}
