// Package cases holds the benchmarks: what is compared with what, and the
// targets.
package cases

import (
	"slices"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/suite"
)

// How long one measurement of one side takes.
const (
	poolTime  = 250 * time.Millisecond
	claimTime = 600 * time.Millisecond
)

// Groups returns the whole suite in the order of the tables.
func (e *Env) Groups() []suite.Group {
	return slices.Concat(
		ofDflockd(e.claimGroups()), e.engineGroups(), ofDflockd(e.serverGroups()), ofDflockd(e.useGroups()),
		poolGroups(), ofDflockd(e.growthGroups()), poolGrowthGroups(),
	)
}

// EngineNames are the engines that groups are of.
var EngineNames = []string{"dflockd", "etcd", "redis"}

// ofDflockd says that groups measure slots of dflockd.
func ofDflockd(groups []suite.Group) []suite.Group {
	for i := range groups {
		groups[i].Engine = onDflockd.name
	}
	return groups
}

// timed adds what f takes to the time of a benchmark whose loop has ended.
func timed(b *testing.B, f func() error) error {
	b.StartTimer()
	defer b.StopTimer()
	return f()
}

// onlyOnce does f in the first turn of a benchmark's loop: what a scenario
// measures is what f returns, however often go test wants the loop to turn.
func onlyOnce[T any](b *testing.B, f func() (T, error)) (result T, err error) {
	for first := true; b.Loop(); first = false {
		if !first {
			continue
		}
		if result, err = f(); err != nil {
			return result, err
		}
	}
	return result, nil
}
