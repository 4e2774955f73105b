package middleware

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAKeyTableIsBounded(t *testing.T) {
	table := &keyTable{max: 10, entries: map[string]*keyEntry{}}
	var running []*keyEntry
	for n := range 1000 {
		e, first := table.enter(fmt.Sprint(n))
		require.True(t, first)
		if n%50 == 0 {
			running = append(running, e)
			continue
		}
		table.leave(e)
		require.LessOrEqual(t, len(table.entries), max(10, len(running)+1))
	}
	require.Len(t, running, 20)
	for _, e := range running {
		table.leave(e)
	}
	require.Len(t, table.entries, 10)
	require.Equal(t, 10, table.unused.Len())
}
