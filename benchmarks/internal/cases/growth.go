package cases

import (
	"fmt"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/peer"
	"github.com/berth-go/berth/benchmarks/internal/suite"
)

const (
	growthTime   = 300 * time.Millisecond
	growthRounds = 3 // one curve has many points, and its shape is what matters
)

// A curve is a line of a growth chart: what is measured at size n.
type curve struct {
	name string
	ours bool
	at   func(n int) func(*testing.B) error
	jobs int // of one turn of the loop
}

// growth makes a group with a side for each size of each curve.
func growth(name, file, x string, sizes []int, curves ...curve) suite.Group {
	g := suite.Group{Name: "Growth, " + name, Area: suite.Growth, Time: growthTime, Rounds: growthRounds}
	chart := suite.Chart{File: file, Title: "Jobs a second: " + name, X: x, Y: "jobs a second", Metric: suite.PerJob, Rate: true}
	for _, c := range curves {
		line := suite.Line{Name: c.name}
		for _, n := range sizes {
			side := suite.Side{Name: fmt.Sprintf("%s, %s %s", c.name, suite.Figure(float64(n)), x), Ours: c.ours, Jobs: c.jobs, Run: c.at(n)}
			g.Sides = append(g.Sides, side)
			line.X, line.Sides = append(line.X, float64(n)), append(line.Sides, side.Name)
		}
		chart.Lines = append(chart.Lines, line)
	}
	g.Charts = []suite.Chart{chart}
	return g
}

func (e *Env) growthGroups() []suite.Group {
	return []suite.Group{
		e.keysGrowth(),
		e.waitersGrowth(),
		e.holdersGrowth(),
		e.claimantsGrowth(),
	}
}

func poolGrowthGroups() []suite.Group { return []suite.Group{workersGrowth()} }

const (
	oursLine     = "berth's server"
	originalLine = "original server"
)

// visited returns a curve of visits to a server.
func (e *Env) visited(name string, f flavour, v func(n int) visit) curve {
	return curve{name: name, ours: f.ours, at: func(n int) func(*testing.B) error {
		return func(b *testing.B) error { return e.visits(f, v(e.size(n)))(b) }
	}}
}

func (e *Env) keysGrowth() suite.Group {
	return growth("keys that others hold, while clients come and go", "growth-keys", "keys", []int{1, 10, 100, 1_000, 10_000, 100_000},
		e.visited(oursLine, ours, comeAndGo), e.visited(originalLine, original, comeAndGo))
}

func (e *Env) holdersGrowth() suite.Group {
	return growth("holders of the key that is claimed", "growth-holders", "holders", []int{1, 10, 100, 1_000, 10_000},
		e.visited(oursLine, ours, takeTurns), e.visited(originalLine, original, takeTurns))
}

// waitersGrowth lets more and more connections want the two slots of one key,
// so that all but two of them wait.
func (e *Env) waitersGrowth() suite.Group {
	on := func(name string, f flavour) curve {
		return curve{name: name, ours: f.ours, at: func(n int) func(*testing.B) error {
			return e.claims(f, load{workers: n, keys: 1, limit: 2}, keeping)
		}}
	}
	return growth("connections that want one of two slots", "growth-waiters", "waiters", []int{10, 100, 1_000},
		on(oursLine, ours), on(originalLine, original))
}

// claimantsGrowth claims with more and more workers, a key each.
func (e *Env) claimantsGrowth() suite.Group {
	on := func(name string, f flavour, w way, mine bool) curve {
		return curve{name: name, ours: mine, at: func(n int) func(*testing.B) error {
			return e.claims(f, load{workers: n, keys: n, limit: n}, w)
		}}
	}
	return growth("workers that claim a slot for each job", "growth-claimants", "workers", []int{1, 10, 100, 1_000},
		on(berthOnOurs, ours, oneEach, true), on(berthOnOriginal, original, oneEach, true), on(plainOnOriginal, original, dialing, false))
}

// workersGrowth runs empty jobs in larger and larger pools.
func workersGrowth() suite.Group {
	in := func(p peer.Pool) curve {
		return curve{name: p.Name, ours: p.Name == berthGo.Name, jobs: burst, at: func(n int) func(*testing.B) error {
			return fireAndForget(p, n, 1)
		}}
	}
	return growth("workers of a pool, empty jobs", "growth-workers", "workers", []int{1, 10, 100, 1_000, 10_000},
		in(berthGo), in(peer.Pools[0]), in(peer.Pools[1]))
}
