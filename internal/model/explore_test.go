package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNextReachesAsManyStatesAsTheCheckerFinds compares the model in Go with what
// Spin has counted, where that is quick. With the checker, all configurations are
// compared.
func TestNextReachesAsManyStatesAsTheCheckerFinds(t *testing.T) {
	compared := 0
	for _, c := range configs {
		if c.states == 0 {
			continue
		}
		states, err := c.inGo().Explore()
		require.NoError(t, err, c.name)
		require.Equal(t, c.states, states, c.name)
		compared++
	}
	require.GreaterOrEqual(t, compared, 3)
}
