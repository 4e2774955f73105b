//go:build unix

package stacktest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/check"
)

// TestARollingDeployChangesALimitWithoutAStop has two fleets of processes that
// always have jobs, an old one with one limit and a new one with another, and
// replaces one worker after the other. Nobody starves meanwhile, no more jobs run
// than the limit of any of them, and once the last old claim is gone the new limit
// is reached and not passed.
func TestARollingDeployChangesALimitWithoutAStop(t *testing.T) {
	for _, limits := range [][2]int{{2, 3}, {3, 2}} {
		t.Run(fmt.Sprintf("from %d to %d", limits[0], limits[1]), func(t *testing.T) {
			t.Parallel()
			deploy(t, limits[0], limits[1])
		})
	}
}

func deploy(t *testing.T, before, after int) {
	f := newFleet(t, immediate, 0)
	old := []*process{f.startWorkerOf(before), f.startWorkerOf(before)}
	f.workers = slices.Clone(old)
	f.eventually("the old limit is reached", func() bool { return reached(t, old, before) })
	var young []*process
	for i := range old {
		young = append(young, f.startWorkerOf(after))
		f.workers = append(slices.Clone(old[i:]), young...)
		for range 3 {
			f.progress("a worker of the other limit came")
		}
		old[i].finish(t)
		f.workers = f.workers[1:]
		f.progress("an old worker went")
	}
	lastOld := lastEnd(old)
	f.eventually("the new limit is reached", func() bool { return reached(t, young, after) })
	for _, w := range young {
		w.finish(t)
	}
	judgeDeploy(t, before, after, old, young, lastOld)
}

// reached reports whether so many jobs of the processes have run at once.
func reached(t *testing.T, ps []*process, n int) bool {
	var ivs []check.Interval
	for _, p := range ps {
		ivs = append(ivs, p.intervals(t)...)
	}
	return len(check.Overlaps(n-1, ivs)) > 0
}

// lastEnd returns when the last job of the processes had ended.
func lastEnd(ps []*process) (last time.Time) {
	for _, p := range ps {
		p.mu.Lock()
		for _, j := range p.order {
			if j.end.After(last) {
				last = j.end
			}
		}
		p.mu.Unlock()
	}
	return last
}

// judgeDeploy asks that each job was beside no more others than its own limit
// allows, and that both limits were reached.
func judgeDeploy(t *testing.T, before, after int, old, young []*process, lastOld time.Time) {
	var ivs []check.Interval
	for limit, ps := range map[int][]*process{before: old, after: young} {
		for _, p := range ps {
			for _, iv := range p.intervals(t) {
				iv.Holder = fmt.Sprintf("%s of limit %d", iv.Holder, limit)
				ivs = append(ivs, iv)
			}
		}
	}
	small, large := min(before, after), max(before, after)
	require.Empty(t, check.Overlaps(large, ivs))
	promised := fmt.Sprintf("of limit %d", small)
	beyond, most := 0, 0
	for _, o := range check.Overlaps(small, ivs) {
		for _, holder := range o.Holders {
			require.False(t, strings.HasSuffix(holder, promised), "%v", o)
		}
		if o.From.After(lastOld) {
			beyond++
		}
		most = max(most, len(o.Holders))
	}
	require.Equal(t, large, most, "the larger limit was reached")
	require.Equal(t, after == large, beyond > 0, "after the last old claim the new limit counts")
	t.Logf("%d jobs", len(ivs))
}
