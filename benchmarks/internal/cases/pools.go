package cases

import (
	"testing"

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

// atMost runs some jobs through the pool and checks that it never ran more at
// once than it has workers. It is not part of what is timed.
func atMost(p peer.Pool, workers int) error {
	gate := meter.NewGate(workers)
	submit, finish := p.Start(workers, func() {
		gate.Enter()
		defer gate.Leave()
		yield()
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

func fireAndForgetGroup(title, file string, producers int, extra ...suite.Side) suite.Group {
	const workers = 8
	g := suite.Group{
		Name:  title,
		Area:  suite.Pools,
		Time:  poolTime,
		Sides: extra,
		Charts: []suite.Chart{{
			File: file, Title: title, Y: "nanoseconds a job", Metric: suite.PerJob,
		}},
	}
	for _, p := range peer.Pools {
		g.Sides = append(g.Sides, suite.Side{Name: p.Name, Jobs: producers * burst, Run: fireAndForget(p, workers, producers)})
	}
	return g
}

func poolGroups() []suite.Group {
	return []suite.Group{
		fireAndForgetGroup("Fire and forget, 1 producer", "pool-1-producer", 1),
		fireAndForgetGroup("Fire and forget, 8 producers", "pool-8-producers", 8),
	}
}
