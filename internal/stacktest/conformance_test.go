package stacktest_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/model/replay"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/trace"
)

// TestAScriptedRunIsOneOfTheModel has a few machines do a bit of everything, always the
// same, and replays it: over a network that is quick, and over a slow one, where it
// matters from when a lease counts.
func TestAScriptedRunIsOneOfTheModel(t *testing.T) {
	for _, m := range []mode{strict, immediate} {
		for _, delay := range []time.Duration{0, 40 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				setup, events := scripted(t, m, delay)
				stats, err := setup.Check(events)
				require.NoError(t, err)
				require.Equal(t, 10, stats.Begun)
				t.Logf("%v, delay %v: %+v", m, delay, stats)
			})
		}
	}
}

// TestWhatTheStackDoesUnderFaultsTheModelCanDo has machines work while connections,
// machines and servers fail at random, and replays all that clients and servers have
// noted in the model of the protocol.
func TestWhatTheStackDoesUnderFaultsTheModelCanDo(t *testing.T) {
	seed := faultnet.Seed(t)
	for i := range 4 {
		seed, m := seed+uint64(i), mode(i%2 == 0)
		t.Run(fmt.Sprintf("%v-%d", m, i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				setup, events := recorded(t, m, seed, 5*time.Minute)
				stats, err := setup.Check(events)
				require.NoError(t, err)
				t.Logf("%v, lease %v, seed %d: %+v", m, setup.Lease, seed, stats)
			})
		})
	}
}

// recorded has a world work under faults, and returns what was noted.
func recorded(t *testing.T, m mode, seed uint64, span time.Duration) (replay.Setup, []trace.Event) {
	rng := rand.New(rand.NewPCG(seed, 6))
	w := newNotedWorld(t, m, 1+rng.IntN(3), time.Duration(2+rng.IntN(10))*time.Second)
	w.original = seed%4 < 2
	machines := []string{"a", "b", "c"}
	plan := faultnet.NewPlan(seed, span, 10*time.Second, machines, faultnet.Kinds())
	w.live(plan, machines, rng)
	w.close()
	return replay.Setup{Strict: m == strict, Lease: w.lease}, w.journal.Events()
}
