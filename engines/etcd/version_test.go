package etcd

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestServersBefore3_5_14AreRefusedForGood(t *testing.T) {
	for _, text := range []string{"3.5.14", "3.5.100", "3.6.0", "3.7.0-rc.1", "v3.7.3", "4.0.0", "3.6.1+build"} {
		require.NoError(t, checkVersion(text), text)
	}
	for _, text := range []string{"3.5.13", "3.5.0", "3.4.30", "2.9.99", "", "3.5", "3.x.1", "newest", "3.5.-1"} {
		err := checkVersion(text)
		require.ErrorIs(t, err, ErrVersion, text)
		require.True(t, slot.IsPermanent(err), text)
	}
	require.ErrorContains(t, checkVersion("3.5.13"), "it is 3.5.13")
}
