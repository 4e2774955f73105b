package stacktest_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/model/replay"
	"github.com/berth-go/berth/internal/stacktest/counts"
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
				stats := setup.Require(t, events)
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
	const minutes = 5
	did := counts.Of{}
	kinds := map[trace.Kind]bool{}
	faultnet.EachSeed(t, "BERTH_SIMULATIONS", 4, func(seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			m := mode(seed%2 == 0)
			setup, events := recorded(t, m, seed, minutes*time.Minute)
			stats := setup.Require(t, events)
			t.Logf("%v, lease %v, seed %d: %+v", m, setup.Lease, seed, stats)
			did["simulated-minutes"] += minutes
			did["events"] += stats.Events
			did["grants"] += stats.Grants
			for k := range stats.Kinds {
				kinds[k] = true
			}
		})
	})
	did["kinds-of-events"] = len(kinds)
	counts.Report(t, did)
}

// TestWhatTheStackDoesWhileLimitsChangeTheModelCanDo is the same while limits differ from
// claim to claim, and somebody pauses keys and takes slots back.
func TestWhatTheStackDoesWhileLimitsChangeTheModelCanDo(t *testing.T) {
	seed := faultnet.Seed(t)
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 8))
		w := newNotedWorld(t, strict, 3, time.Duration(2+rng.IntN(6))*time.Second)
		machines := []string{"a", "b", "c"}
		plan := faultnet.NewPlan(seed, 5*time.Minute, 10*time.Second, machines, faultnet.Kinds())
		done := w.liveWithChanges(plan, machines, rng)
		w.close()
		stats := replay.Setup{Strict: true, Lease: w.lease}.Require(t, w.journal.Events())
		counts.Report(t, counts.Of{"events": stats.Events, "slots-begun": stats.Begun, "pauses": stats.Kinds[trace.Pause]})
		t.Logf("lease %v, seed %d: %+v, %+v", w.lease, seed, done, stats)
	})
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
