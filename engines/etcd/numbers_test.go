package etcd

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

func TestNumbersAreUsedAgainAndNeverTwiceAtOnce(t *testing.T) {
	seed := faultnet.Seed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	var ns numbers
	out := map[int]bool{}
	most := 0
	for range 20_000 {
		if len(out) > 0 && random.IntN(2) == 0 {
			for n := range out {
				ns.put(n)
				delete(out, n)
				break
			}
			continue
		}
		taken := ns.take(1 + random.IntN(3))
		require.True(t, slices.IsSorted(taken), "%v", taken)
		for _, n := range taken {
			require.False(t, out[n], "%d was out already", n)
			out[n] = true
		}
		most = max(most, len(out))
		require.Equal(t, len(out), ns.inUse())
		if len(out) > 20 {
			for n := range out {
				ns.put(n)
			}
			clear(out)
		}
	}
	require.Equal(t, most, ns.next, "as many were made as were ever out at once")
}
