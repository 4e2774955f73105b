package locktable

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Maps of Go keep the memory of all that was ever in them at once. Ours are
// made anew, and few of them in the same call.
func TestMapsShrinkWhenTheyEmptyAndFewAtOnce(t *testing.T) {
	const n = 100 * numShards
	table, c := crowded("slots=many-keys", n)
	remade := func() (total int) {
		for i := range numShards {
			if table.tokens.shards[i].most < 100 {
				total++
			}
		}
		return total
	}
	require.Zero(t, remade())
	table.CloseConn(0, c)
	most, before := 0, 0
	for table.Pending() {
		table.Clear(0)
		most, before = max(most, remade()-before), remade()
	}
	require.Equal(t, numShards, remade())
	require.Less(t, most, numShards/4, "maps made anew in one call")
	for i := range numShards {
		require.LessOrEqual(t, table.keys.shards[i].most, minShrink, fmt.Sprint(i))
	}
}
