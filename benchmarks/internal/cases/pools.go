package cases

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/meter"
	"github.com/berth-go/berth/benchmarks/internal/peer"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

// burst is how many jobs each producer submits in one turn of a loop, so that
// the loop's own cost and the meeting of the producers do not count.
const burst = 512

// fireAndForget runs empty jobs that nobody waits for one by one.
func fireAndForget(p peer.Pool, workers, producers int) func(*testing.B) error {
	return func(b *testing.B) error {
		if err := atMost(p, workers); err != nil {
			return err
		}
		jobs := new(meter.Jobs)
		submit, finish := p.Start(workers, jobs.Add)
		produce, stop := startProducers(producers, submit)
		for b.Loop() {
			produce()
		}
		stop()
		if err := timed(b, finish); err != nil {
			return err
		}
		return jobs.Check(int64(b.N) * int64(producers) * burst)
	}
}

// chance is how long a pool is given to run a job too many.
const chance = 100 * time.Millisecond

// atMost checks that the pool never runs more jobs at once than it has workers:
// it keeps as many busy as there should be, and leaves one too many the time to
// begin. It is not part of what is timed.
func atMost(p peer.Pool, workers int) error {
	gate := meter.NewGate(workers)
	var begun atomic.Int64
	tooMany := make(chan struct{})
	submit, finish := p.Start(workers, func() {
		gate.Enter()
		defer gate.Leave()
		switch nth := begun.Add(1); {
		case nth <= int64(workers):
			select {
			case <-tooMany:
			case <-time.After(chance):
			}
		case nth == int64(workers)+1:
			close(tooMany)
		}
	})
	n := 8 * workers
	for range n {
		submit()
	}
	if err := finish(); err != nil {
		return err
	}
	return gate.Check(int64(n))
}

// startProducers returns a function that submits a burst from each of n
// goroutines and returns when all have submitted theirs, and one that ends
// them. One producer is the calling goroutine itself.
func startProducers(n int, submit func()) (produce, stop func()) {
	if n == 1 {
		return func() {
			for range burst {
				submit()
			}
		}, func() {}
	}
	turns, done := make(chan bool), make(chan bool)
	for range n {
		go func() {
			for range turns {
				for range burst {
					submit()
				}
				done <- true
			}
		}()
	}
	produce = func() {
		for range n {
			turns <- true
		}
		for range n {
			<-done
		}
	}
	return produce, func() { close(turns) }
}

func poolGroups() []suite.Group {
	return []suite.Group{
		fireAndForgetGroup(1, 80),
		fireAndForgetGroup(8, 90),
		awaitedGroup(),
		backAndForthGroup(),
		queuedGroup(),
		tracingGroup(),
		lanesGroup(),
	}
}

func fireAndForgetGroup(producers int, nanoseconds float64) suite.Group {
	const workers = 8
	who := "1 producer"
	if producers > 1 {
		who = fmt.Sprint(producers, " producers")
	}
	g := suite.Group{
		Name: "Pools, fire and forget, " + who,
		Area: suite.Pools,
		Time: poolTime,
		Rows: []suite.Row{
			{What: "pool without slots, fire and forget, " + who, Of: suite.Value(berthGo.Name, suite.PerJob), Target: suite.AtMost(nanoseconds, "ns")},
			{What: "the same, allocations a job", Of: suite.Value(berthGo.Name, suite.Allocs), Target: suite.AtMost(0.05, "")},
			{What: "the same / a buffered channel, " + who, Of: suite.Cost(berthGo.Name, peer.Pools[0].Name, suite.PerJob), Target: suite.AtMost(1, "×")},
		},
		Charts: []suite.Chart{{
			File: fmt.Sprintf("pools-%d", producers), Title: "A job in a pool of 8 workers, " + who, Y: "nanoseconds", Metric: suite.PerJob,
		}},
	}
	for _, p := range append([]peer.Pool{berthGo}, peer.Pools...) {
		g.Sides = append(g.Sides, suite.Side{
			Name: p.Name, Ours: p.Name == berthGo.Name, Jobs: producers * burst, Run: fireAndForget(p, workers, producers),
		})
	}
	return g
}

func awaitedGroup() suite.Group {
	const ours = "berth, Submit and Wait"
	g := suite.Group{
		Name:  "Pools, jobs waited for after each 512",
		Area:  suite.Pools,
		Time:  poolTime,
		Sides: []suite.Side{{Name: ours, Ours: true, Jobs: burst, Run: awaited}},
		Rows: []suite.Row{
			{What: "Submit, tasks waited for after each 512", Of: suite.Value(ours, suite.PerJob), Target: suite.AtMost(250, "ns")},
			{What: "the same, allocations a task", Of: suite.Value(ours, suite.Allocs), Target: suite.AtMost(1.01, "")},
			{What: "the same, memory a task", Of: suite.Value(ours, suite.Bytes), Target: suite.AtMost(128, "B")},
			{What: "the same / conc with context and errors", Of: suite.Cost(ours, peer.Batches[0].Name, suite.PerJob), Target: suite.AtMost(0.35, "×")},
		},
	}
	for _, p := range peer.Batches {
		g.Sides = append(g.Sides, suite.Side{Name: p.Name, Jobs: burst, Run: awaitedPeer(p)})
	}
	return g
}

func backAndForthGroup() suite.Group {
	const ours, bare = "berth, Submit and Wait one by one", "two channels, there and back"
	return suite.Group{
		Name:  "Pools, one job at a time",
		Area:  suite.Pools,
		Time:  poolTime,
		Sides: []suite.Side{{Name: ours, Ours: true, Run: backAndForth}, {Name: bare, Run: channelBackAndForth}},
		Rows: []suite.Row{
			{What: "Submit and Wait one by one / a bare channel there and back", Of: suite.Cost(ours, bare, suite.PerJob), Target: suite.AtMost(2, "×")},
		},
	}
}

func queuedGroup() suite.Group {
	const n = 1_000_000
	return suite.Group{
		Name: "Pools, a million queued jobs",
		Area: suite.Pools,
		Sides: []suite.Side{
			{Name: "berth, Submit", Ours: true, Once: true, Run: queued(n, submitOne)},
			{Name: "berth, Go", Ours: true, Once: true, Run: queued(n, goOne)},
		},
		Rows: []suite.Row{
			{What: "a million queued jobs: memory each beyond the closure", Of: suite.Value("berth, Submit", queuedBytes), Target: suite.AtMost(150, "B")},
		},
	}
}

func lanesGroup() suite.Group {
	const name = "berth, 8 workers"
	g := growth("lanes of a pool, jobs in bursts of 32", "growth-lanes", "lanes", []int{1, 10, 100, 1_000, 10_000, 100_000},
		curve{name: name, ours: true, at: inLanes, jobs: laneBurst})
	g.Rounds = 0 // a row of the table comes from it
	g.Rows = []suite.Row{{
		What: "10,000 lanes / one, jobs in bursts of 32", Of: suite.Cost(name+", 10,000 lanes", name+", 1 lanes", suite.PerJob), Target: suite.AtMost(1.7, "×"),
	}}
	return g
}

// heap returns how much memory is in use after a garbage collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
