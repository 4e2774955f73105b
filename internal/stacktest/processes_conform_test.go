//go:build unix

package stacktest_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/model/replay"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
	"github.com/berth-go/berth/internal/trace"
)

// TestWhatProcessesThatAreKilledAndStoppedDoTheModelCanDo kills and stops a real server
// and real workers, and replays what they have noted in the model of the protocol.
func TestWhatProcessesThatAreKilledAndStoppedDoTheModelCanDo(t *testing.T) {
	for _, m := range []mode{strict, immediate} {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			seed := faultnet.Seed(t)
			rng := rand.New(rand.NewPCG(seed, 7))
			f := (&fleet{t: t, mode: m, address: lockserver.FreeAddress(t), traces: t.TempDir()}).launch(3)
			f.progress("the start")
			for _, kind := range rng.Perm(4) {
				f.progress(f.kick(kind, rng))
			}
			for _, w := range f.workers {
				w.finish(t)
			}
			f.server.kill()
			stats := replay.Setup{Strict: m == strict, Lease: fleetLease, Stops: true}.Require(t, f.noted())
			counts.Report(t, counts.Of{"events": stats.Events, "slots-begun": stats.Begun})
			t.Logf("%v, seed %d: %+v", m, seed, stats)
		})
	}
}

// noted returns what all processes have noted, in the order of their common clock, and
// when each of the workers ended.
func (f *fleet) noted() (all []trace.Event) {
	files, err := filepath.Glob(filepath.Join(f.traces, "*"))
	require.NoError(f.t, err)
	for _, name := range files {
		in, err := os.Open(name)
		require.NoError(f.t, err)
		events, err := trace.Read(in)
		require.NoError(f.t, err)
		require.NoError(f.t, in.Close())
		require.NotEmpty(f.t, events, name)
		all = append(all, events...)
		if node := filepath.Base(name); strings.HasPrefix(node, "worker") { // it did no more
			all = append(all, trace.Event{At: events[len(events)-1].At, Node: node, Kind: trace.Kill})
		}
	}
	slices.SortStableFunc(all, func(a, b trace.Event) int { return a.At.Compare(b.At) })
	return all
}
