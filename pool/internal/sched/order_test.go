package sched_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool/internal/sched"
)

// forever is how long a job runs that waits for others.
const forever = time.Duration(1<<63 - 1)

// play lets time pass from one event to the next, the next end of a job or the
// next alarm, until no worker has a job that ends.
func (w *world) play(takes func(*job) time.Duration) {
	ends := map[sched.WorkerID]time.Duration{}
	for {
		w.settle(takes, ends)
		id, at := sched.WorkerID(-1), forever
		for other, end := range ends {
			if end < at || end == at && other < id {
				id, at = other, end
			}
		}
		if w.alarm >= 0 && w.alarm <= at {
			w.pass(w.alarm - w.now)
			continue
		}
		if id < 0 || at == forever {
			return
		}
		w.pass(at - w.now)
		delete(ends, id)
		w.finish(w.crews[id], takes(w.crews[id].runs), false)
		w.step(id, 0, false)
		if runs := w.runs(id); runs != nil {
			ends[id] = w.end(takes(runs))
		}
	}
}

// settle lets those who come get their orders.
func (w *world) settle(takes func(*job) time.Duration, ends map[sched.WorkerID]time.Duration) {
	for moved := true; moved; {
		moved = false
		for _, id := range w.workerIDs() {
			if w.crews[id].state != comes {
				continue
			}
			moved = true
			w.step(id, 0, false)
			if runs := w.runs(id); runs != nil {
				ends[id] = w.end(takes(runs))
			}
		}
	}
}

func (w *world) runs(id sched.WorkerID) *job {
	if c := w.crews[id]; c != nil {
		return c.runs
	}
	return nil
}

func (w *world) end(d time.Duration) time.Duration {
	if d == forever {
		return forever
	}
	return w.now + d
}

// late returns how many jobs had started before an older one at most, for any
// job: how far the order of the starts is from that of the submits.
func (w *world) late() (worst int) {
	for i, j := range w.order {
		before := 0
		for _, other := range w.order[:i] {
			if other.place > j.place {
				before++
			}
		}
		worst = max(worst, before)
	}
	return worst
}

func wide(workers, batch int) sched.Config {
	return sched.Config{Workers: workers, Procs: 2, Batch: batch, Queue: 1 << 30, QueueTotal: 1 << 30}
}

func TestLongJobsStartInTheOrderOfTheirSubmits(t *testing.T) {
	w := newWorld(wide(4, 64))
	for range 256 {
		w.submit(w.newJob("", 0), sched.Refuse)
	}
	w.play(func(*job) time.Duration { return time.Second })
	require.Len(t, w.order, 256)
	require.LessOrEqual(t, w.late(), 3, "as many may be late as there are other workers")
}

// Short jobs come in batches, and long ones stand among them.
func TestMixedJobsStartNearlyInOrder(t *testing.T) {
	for _, every := range []int{2, 7, 50, 200} {
		t.Run(fmt.Sprintf("every %d is long", every), func(t *testing.T) {
			w := newWorld(wide(4, 64))
			for range 1000 {
				w.submit(w.newJob("", 0), sched.Refuse)
			}
			w.started = func(j *job, at time.Duration) {
				require.LessOrEqual(t, at-j.could, 2*time.Millisecond, "job %d could have started earlier", j.id)
			}
			w.play(func(j *job) time.Duration {
				if j.id%every == every-1 {
					return time.Second
				}
				return time.Microsecond
			})
			require.Len(t, w.order, 1000)
		})
	}
}

// All workers run before long if jobs wait for each other, whatever was short
// before; a design that wakes few workers can hang here.
func TestJobsThatWaitForEachOtherAllRunSoon(t *testing.T) {
	for _, workers := range []int{8, 100, 1000} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			w := newWorld(wide(workers, 64))
			w.quiet = true
			for range 2000 {
				w.submit(w.newJob("", 0), sched.Refuse)
			}
			w.play(func(*job) time.Duration { return time.Microsecond })
			began := w.now
			for range workers {
				w.submit(w.newJob("", 0), sched.Refuse)
			}
			w.play(func(*job) time.Duration { return forever })
			require.Len(t, w.order, 2000+workers)
			require.LessOrEqual(t, w.now-began, 20*time.Millisecond)
		})
	}
}

func TestFewWorkersAreCalledForShortJobs(t *testing.T) {
	w := newWorld(wide(1000, 64))
	w.quiet = true
	for _, n := range []int{1, 500, 500, 500} { // the first one shows that they are short
		for range n {
			w.submit(w.newJob("", 0), sched.Refuse)
		}
		w.play(func(*job) time.Duration { return time.Microsecond })
	}
	require.LessOrEqual(t, len(w.crews), 8)
}

func TestWorkersThatRestForLongEnd(t *testing.T) {
	cfg := wide(8, 64)
	cfg.Rest = time.Minute
	w := newWorld(cfg)
	for range 8 {
		w.submit(w.newJob("", 0), sched.Refuse)
	}
	w.play(func(*job) time.Duration { return time.Second })
	require.Empty(t, w.crews)
	require.InDelta(t, 61*time.Second, w.now, float64(time.Second))
}

func TestAJobThatWaitsLongCountsAsMoreUrgent(t *testing.T) {
	cfg := wide(1, 64)
	cfg.Aging = time.Second
	w := newWorld(cfg)
	w.submit(w.newJob("", 9), sched.Refuse)
	patient := w.newJob("", 0)
	w.submit(patient, sched.Refuse)
	for range 100 { // jobs of priority 5 keep coming
		w.submit(w.newJob("", 5), sched.Refuse)
		w.pass(100 * time.Millisecond)
		for _, id := range w.workerIDs() {
			w.step(id, 100*time.Millisecond, false)
			w.step(id, 0, false)
		}
	}
	require.NotEqual(t, queued, patient.state, "it has waited for 10 s")
	require.Greater(t, patient.started, 5*time.Second, "one second is one priority")
}

// A priority of its own for each job costs no more for the last than for the
// first: what is empty is gone.
func TestPrioritiesThatAreNotUsedAnyMoreAreForgotten(t *testing.T) {
	w := newWorld(wide(1, 64))
	w.quiet = true
	for i := range 8000 {
		w.submit(w.newJob(fmt.Sprint(i%3), i), sched.Refuse)
		w.play(func(*job) time.Duration { return time.Microsecond })
	}
	levels, lanes := w.core.Kept()
	require.LessOrEqual(t, levels, 1)
	require.LessOrEqual(t, lanes, 1)
}

func TestALaneOfManyJobsDelaysAnotherByOne(t *testing.T) {
	w := newWorld(wide(1, 64))
	for range 100 {
		w.submit(w.newJob("full", 0), sched.Refuse)
	}
	other := w.newJob("other", 0)
	w.submit(other, sched.Refuse)
	w.play(func(*job) time.Duration { return time.Microsecond })
	require.LessOrEqual(t, indexOf(w.order, other), 1)
}

func indexOf(jobs []*job, j *job) int {
	for i, other := range jobs {
		if other == j {
			return i
		}
	}
	return -1
}
