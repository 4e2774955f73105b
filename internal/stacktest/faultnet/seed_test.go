package faultnet_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

// A tb is a test that fails without failing.
type tb struct {
	testing.TB
	failed   bool
	said     []string
	cleanups []func()
}

func (t *tb) Helper()          {}
func (t *tb) Failed() bool     { return t.failed }
func (t *tb) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }
func (t *tb) Log(args ...any)  { t.said = append(t.said, fmt.Sprint(args...)) }

// end is what the testing package does when the test is over.
func (t *tb) end() {
	for _, f := range t.cleanups {
		f()
	}
}

func TestATestThatFailsSaysHowToHaveTheSameAgain(t *testing.T) {
	t.Setenv("BERTH_SEED", "42")
	t.Setenv("BERTH_TABLE_STEPS", "7")
	t.Setenv("BERTH_HISTORIES", "a 'b'")
	t.Setenv(counts.Variable, "/tmp/counts")
	for _, failed := range []bool{false, true} {
		test := &tb{TB: t}
		require.Equal(t, uint64(42), faultnet.Seed(test))
		test.failed = failed
		test.end()
		if !failed {
			require.Empty(t, test.said)
			continue
		}
		require.Len(t, test.said, 1)
		require.Contains(t, test.said[0], faultnet.AgainPrefix+`BERTH_HISTORIES='a '\''b'\''' `)
		require.Contains(t, test.said[0], `BERTH_SEED=42 BERTH_TABLE_STEPS=7 go test -run '^TestATestThatFailsSaysHowToHaveTheSameAgain$' ./internal/stacktest/faultnet`)
		require.NotContains(t, test.said[0], counts.Variable)
	}
}

func TestTheSeedThatFailsIsTheLastAndIsToldAlone(t *testing.T) {
	t.Setenv("BERTH_SEED", "42")
	t.Setenv("BERTH_HISTORIES", "5")
	test := &tb{TB: t}
	var had []uint64
	faultnet.EachSeed(test, "BERTH_HISTORIES", 1, func(seed uint64) {
		had = append(had, seed)
		test.failed = seed == 44
	})
	test.end()
	require.Equal(t, []uint64{42, 43, 44}, had)
	require.Len(t, test.said, 1)
	require.Contains(t, test.said[0], "BERTH_HISTORIES=1 BERTH_SEED=44 ")
}
