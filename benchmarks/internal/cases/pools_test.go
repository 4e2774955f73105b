package cases

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/benchmarks/internal/peer"
	"github.com/berth-go/berth/benchmarks/internal/proc"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

// scratch is where the server under test is compiled to.
var scratch string

func TestMain(m *testing.M) {
	proc.RunRole(Roles)
	var err error
	if scratch, err = os.MkdirTemp("", "berth-benchmarks"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), // ants starts a pool of its own when it is loaded
		goleak.Cleanup(func(code int) { _ = os.RemoveAll(scratch); os.Exit(code) }))
}

func measure(t *testing.T, run func(*testing.B) error) error {
	_, err := suite.Side{Name: "side", Run: run}.Measure(t.Context(), 0)
	return err
}

// channel is a pool that does its work; the tests break it.
func channel() peer.Pool { return peer.Pools[0] }

func TestAPoolThatDoesItsWorkPasses(t *testing.T) {
	for _, producers := range []int{1, 8} {
		require.NoError(t, measure(t, fireAndForget(channel(), 8, producers)))
	}
}

func TestAPoolThatLosesAJobFails(t *testing.T) {
	good := channel()
	broken := peer.Pool{Start: func(workers int, job func()) (func(), func() error) {
		submit, finish := good.Start(workers, job)
		n := 0
		return func() {
			if n++; n != 100 {
				submit()
			}
		}, finish
	}}
	require.ErrorContains(t, measure(t, fireAndForget(broken, 8, 1)), "ran 511 jobs, should have run 512")
}

func TestAPoolWithAWorkerTooManyFails(t *testing.T) {
	good := channel()
	broken := peer.Pool{Start: func(workers int, job func()) (func(), func() error) {
		return good.Start(workers+1, job)
	}}
	require.ErrorContains(t, measure(t, fireAndForget(broken, 8, 1)), "9 jobs ran at once, the limit is 8")
}

func TestEveryGroupUsesItsOwnSides(t *testing.T) {
	env, err := NewEnv(context.Background(), t.TempDir(), true)
	require.NoError(t, err)
	charts := map[string]bool{}
	for _, g := range env.Groups() {
		require.NoError(t, g.Validate())
		for _, c := range g.Charts {
			require.False(t, charts[c.File], "two charts are called %s", c.File)
			charts[c.File] = true
		}
	}
}
