package stacktest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/pool"
)

// A simulated is what was simulated, in worlds that each have a seed of their own:
// two, or as many as BERTH_SIMULATIONS says.
type simulated struct {
	each   time.Duration // how long a world lives
	worlds int
	faults int
	kinds  map[faultnet.Kind]bool
	grants int
}

// simulate has each world run with its seed, and reports what there was.
func simulate(t *testing.T, run func(t *testing.T, seed uint64, s *simulated)) {
	s := &simulated{each: 45 * time.Minute, kinds: map[faultnet.Kind]bool{}}
	usual := 2
	if raceEnabled {
		usual, s.each = 1, 10*time.Minute
	}
	faultnet.EachSeed(t, "BERTH_SIMULATIONS", usual, func(seed uint64) {
		synctest.Test(t, func(t *testing.T) { run(t, seed, s) })
	})
	counts.Report(t, counts.Of{
		"simulated-minutes": s.worlds * int(s.each.Minutes()), "faults": s.faults, "kinds-of-faults": len(s.kinds), "grants": s.grants,
	})
}

// lived notes a world that lived through the faults of a plan. So many grants are
// more than one a minute, or it did not work.
func (s *simulated) lived(t *testing.T, plan faultnet.Plan, grants int) {
	require.Greater(t, grants, int(s.each.Minutes()))
	s.worlds++
	s.faults += len(plan.Faults)
	for _, f := range plan.Faults {
		s.kinds[f.Kind] = true
	}
	s.grants += grants
}

// TestLimitHoldsUnderAnyFaultOfAStrictServer has machines work under a limit
// while connections, machines and servers fail at random. With a strict server
// there is no moment at all at which more than the limit hold a slot.
func TestLimitHoldsUnderAnyFaultOfAStrictServer(t *testing.T) {
	simulateFaults(t, strict, faultnet.Kinds(), func(w *world) {
		require.Empty(t, check.Overlaps(w.limit, w.rec.Intervals()))
	})
}

// TestOverlapIsBoundUnderAnyFaultOfAnImmediateServer is the same with a server
// that gives the slots of a broken connection to the next in line at once:
// more than the limit may hold slots for the time of a heartbeat and its
// answer, and no longer.
func TestOverlapIsBoundUnderAnyFaultOfAnImmediateServer(t *testing.T) {
	simulateFaults(t, immediate, faultnet.Kinds(), func(w *world) {
		overlaps := check.Overlaps(w.limit, w.rec.Intervals())
		require.LessOrEqualf(t, check.Longest(overlaps), w.overlap(), "%v", overlaps)
	})
}

// TestOverlapIsAMomentWhereTheBreakIsSeen is the same with faults that both
// ends notice.
func TestOverlapIsAMomentWhereTheBreakIsSeen(t *testing.T) {
	seen := []faultnet.Kind{faultnet.Reset, faultnet.HalfClose, faultnet.Restart, faultnet.Split}
	simulateFaults(t, immediate, seen, func(w *world) {
		overlaps := check.Overlaps(w.limit, w.rec.Intervals())
		require.LessOrEqualf(t, check.Longest(overlaps), 50*time.Millisecond, "%v", overlaps)
	})
}

// simulateFaults runs worlds in which faults of the given kinds befall machines at
// work, and has each judged in the end.
func simulateFaults(t *testing.T, m mode, kinds []faultnet.Kind, judge func(w *world)) {
	simulate(t, func(t *testing.T, seed uint64, s *simulated) {
		rng := rand.New(rand.NewPCG(seed, 3))
		w := newWorld(t, m, 1+rng.IntN(3), time.Duration(2+rng.IntN(10))*time.Second)
		defer w.close()
		w.original = seed%2 == 0
		machines := []string{"a", "b", "c"}
		plan := faultnet.NewPlan(seed, s.each, 10*time.Second, machines, kinds)
		t.Logf("%v, original %v, limit %d, lease %v, seed %d", m, w.original, w.limit, w.lease, seed)
		w.live(plan, machines, rng)
		judge(w)
		w.judgeFences()
		s.lived(t, plan, w.total())
	})
}

// live has the machines work while the faults of the plan befall them, and
// asks each time when there is a calm that work goes on within it.
func (w *world) live(plan faultnet.Plan, machines []string, rng *rand.Rand) {
	ctx, cancel := context.WithCancelCause(w.t.Context())
	var workers sync.WaitGroup
	var crews []*crew
	for i, machine := range machines {
		src := w.source(machine)
		defer func() { require.NoError(w.t, src.Close(context.Background())) }()
		mine := func() *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }
		if i == 0 { // one machine claims by itself, the others have pools
			workers.Go(func() { w.beat(ctx, src, machine) })
			for i := range 4 {
				mine := mine()
				workers.Go(func() { w.work(ctx, src, machine, fmt.Sprint(machine, i), mine) })
			}
			continue
		}
		c := newCrew(w, machine, src, i == 1, pool.WithReuse(time.Duration(rng.IntN(2))*100*time.Millisecond))
		crews = append(crews, c)
		submitter := mine()
		workers.Go(func() { c.submit(ctx, submitter) })
		workers.Go(func() { c.beat(ctx) })
	}
	defer func() {
		cancel(errOver)
		workers.Wait()
		for _, c := range crews {
			c.finish()
		}
	}()
	for _, f := range plan.Faults {
		require.NoError(w.t, f.Run(ctx, w.net, w.restart))
		if rng.IntN(3) == 0 {
			before := w.grants(faultnet.Everybody, pulse)
			time.Sleep(w.recovery())
			require.Greaterf(w.t, w.grants(faultnet.Everybody, pulse), before, "no work within %v after %v", w.recovery(), f)
		}
	}
	w.fair(machines)
}

// fair asks that after the last fault every machine gets on with its work.
func (w *world) fair(machines []string) {
	time.Sleep(w.recovery())
	var before []int
	for _, m := range machines {
		before = append(before, w.grants(m, pulse))
	}
	time.Sleep(time.Minute)
	for i, m := range machines {
		require.Greaterf(w.t, w.grants(m, pulse), before[i]+15, "machine %s", m)
	}
}

// judgeFences asks that later grants of a key of limit 1 have higher fences,
// also across restarts of the server.
func (w *world) judgeFences() {
	if w.limit != 1 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	last := map[string]granting{}
	for _, g := range w.grant {
		if before, ok := last[g.key]; ok && before.at.Before(g.at) {
			require.Lessf(w.t, before.fence, g.fence, "%v, then %v", before, g)
		}
		last[g.key] = g
	}
}
