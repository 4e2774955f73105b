package cases

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/benchmarks/internal/suite"
)

func TestHandOversAreThoseFromOneProcessToAnother(t *testing.T) {
	took, err := handOversOf([]stint{{0, 0, 10}, {1, 17, 20}, {1, 21, 30}, {0, 33, 40}})
	require.NoError(t, err)
	require.Equal(t, []time.Duration{3, 7}, took)
}

func TestTwoJobsAtOnceAreNoHandOver(t *testing.T) {
	_, err := handOversOf([]stint{{0, 0, 10}, {1, 9, 20}})
	require.ErrorContains(t, err, "two jobs ran at once for 1ns")
}

func TestASlotThatStaysWhereItIsIsNoHandOver(t *testing.T) {
	_, err := handOversOf([]stint{{0, 0, 10}, {0, 11, 20}})
	require.ErrorContains(t, err, "never went from one process to the other")
}

func TestPercentileIsTheValueBelowWhichAShareLies(t *testing.T) {
	var sorted []time.Duration
	for i := range 1000 {
		sorted = append(sorted, time.Duration(i))
	}
	require.Equal(t, time.Duration(500), percentile(sorted, 0.5))
	require.Equal(t, time.Duration(990), percentile(sorted, 0.99))
	require.Equal(t, time.Duration(999), percentile(sorted, 0.999))
	require.Equal(t, time.Duration(7), percentile([]time.Duration{7}, 0.999))
}

func TestASlotIsHandedOverByEveryClientAtHand(t *testing.T) {
	env := testEnv(t)
	for name, run := range map[string]func(*testing.B) error{
		"the pool":            env.handOvers("berth", ours),
		"the plain client":    env.handOvers("plain", ours),
		"the official client": env.officialHandOvers(),
		"berth on Redis":      env.engineHandOvers(berthOnRedis),
		"berth on etcd":       env.engineHandOvers(berthOnEtcd),
	} {
		t.Run(name, func(t *testing.T) {
			result, err := suite.Side{Name: name, Once: true, Run: run}.Measure(t.Context(), 0)
			if errors.Is(err, suite.ErrMissing) {
				t.Skip(err)
			}
			require.NoError(t, err)
			require.Positive(t, result[handOver50])
			require.GreaterOrEqual(t, result[handOver99], result[handOver50])
			require.GreaterOrEqual(t, result[handOver999], result[handOver99])
		})
	}
}

func TestAProcessThatCannotClaimFailsTheRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "times")
	require.Error(t, joinHandOver([]string{"plain", "127.0.0.1:1", "9000000000000000000", file}))
	require.ErrorContains(t, joinHandOver([]string{"another", "127.0.0.1:1", "0", file}), `no way "another"`)
	_, err := os.Stat(file)
	require.ErrorIs(t, err, os.ErrNotExist)
}
