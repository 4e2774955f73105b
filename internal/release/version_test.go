package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAVersionIsThreeNumbers(t *testing.T) {
	for _, text := range []string{"v0.1.0", "v1.20.300"} {
		v, err := parseVersion(text)
		require.NoError(t, err)
		require.Equal(t, text, v.String())
	}
	for _, text := range []string{"", "0.1.0", "v0.1", "v0.1.0.0", "v0.01.0", "v0.1.0-rc.1", "v0.1.0\n", "v-1.0.0", "v0.1.99999999999999999999"} {
		_, err := parseVersion(text)
		require.ErrorContains(t, err, "written like v0.2.0", text)
	}
	_, err := parseVersion("v2.0.0")
	require.ErrorContains(t, err, "/v2")
}

func TestTheLatestVersionIsTheHighestAmongTheTags(t *testing.T) {
	last, found := latest([]string{"v0.9.0", "v0.10.0", "v0.2.11", "engines/redis/v0.11.0", "nightly", "v3"})
	require.True(t, found)
	require.Equal(t, version{0, 10, 0}, last)
	_, found = latest([]string{"cmd/berth/v0.1.0"})
	require.False(t, found)
}
