// Package cases holds the benchmarks: what is compared with what, and the
// targets.
package cases

import (
	"runtime"
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
	return slices.Concat(e.claimGroups(), e.serverGroups(), poolGroups())
}

// timed adds what f takes to the time of a benchmark whose loop has ended.
func timed(b *testing.B, f func() error) error {
	b.StartTimer()
	defer b.StopTimer()
	return f()
}

// yield lets other goroutines run, so that jobs meet each other.
func yield() {
	for range 3 {
		runtime.Gosched()
	}
}
