package cases

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachEngineHasGroupsOfItsOwn(t *testing.T) {
	count := map[string]int{}
	for _, g := range testEnv(t).Groups() {
		require.NoError(t, g.Validate())
		count[g.Engine]++
	}
	for _, name := range EngineNames {
		require.Greater(t, count[name], 3, name)
	}
	require.Len(t, count, len(EngineNames)+1, "and those that are of none")
}

func TestClaimsThatAnEngineDidNotSeeAreNoticed(t *testing.T) {
	require.NoError(t, berthOnEtcd.check(7, 7))
	require.ErrorContains(t, berthOnEtcd.check(6, 7), "etcd counted 6 claims for 7 jobs")
	require.Error(t, berthOnEtcd.check(8, 7))
	require.NoError(t, berthOnRedis.check(8, 7))
	require.Error(t, berthOnRedis.check(6, 7))
	require.Error(t, berthOnRedis.check(15, 7))
}
