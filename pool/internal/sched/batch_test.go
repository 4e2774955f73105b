package sched_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool/internal/sched"
)

// taken returns a world of so many workers, each of which has taken several short
// jobs and is at the first of them. Many more are queued.
func taken(t *testing.T, workers int) *world {
	w := newWorld(wide(workers, 8))
	for range 1000 {
		w.submit(w.newJob("", 0), sched.Refuse)
	}
	for id := range sched.WorkerID(workers) {
		for i := 0; w.crews[id] == nil || w.crews[id].runs == nil || len(w.crews[id].left) == 0; i++ {
			require.Less(t, i, 100, "worker %d takes no batch", id)
			w.step(id, time.Microsecond, false)
		}
	}
	return w
}

// then has a worker end its job, and returns what it starts next.
func (w *world) then(id sched.WorkerID, took time.Duration) *job {
	w.step(id, took, false)
	for w.crews[id].runs == nil {
		w.step(id, 0, false)
	}
	return w.crews[id].runs
}

func TestABatchIsTakenBackForAMoreUrgentJob(t *testing.T) {
	w := taken(t, 2)
	urgent := w.newJob("", 1)
	w.submit(urgent, sched.Refuse)
	require.Equal(t, urgent, w.then(0, time.Microsecond))
	oldest := w.oldest()
	require.Equal(t, oldest, w.then(1, time.Microsecond), "what was taken is in its place again")
}

func TestABatchIsTakenBackForAJobOfAnotherLane(t *testing.T) {
	w := taken(t, 2)
	other := w.newJob("other", 0)
	w.submit(other, sched.Refuse)
	require.Contains(t, []*job{w.then(0, time.Microsecond), w.then(1, time.Microsecond)}, other)
}

func TestABatchIsNotTakenBackForOneMoreJobOfItsKind(t *testing.T) {
	w := taken(t, 2)
	w.submit(w.newJob("", 0), sched.Refuse)
	w.submit(w.newJob("", -1), sched.Refuse)
	require.NotEmpty(t, w.crews[0].left)
	require.NotEmpty(t, w.crews[1].left)
}

func TestABatchIsTakenBackWhenJobsTurnSlow(t *testing.T) {
	w := taken(t, 2)
	for len(w.crews[1].left) > 0 {
		w.then(1, time.Second)
	}
	require.NotEmpty(t, w.crews[0].left, "one worker has found that they are slow")
	oldest := w.crews[0].left[0]
	require.Equal(t, oldest, w.oldest())
	require.Equal(t, oldest, w.then(1, time.Second), "it may be seconds until its turn comes there")
	require.Empty(t, w.crews[0].left)
}

func TestABatchIsTakenBackWhenOthersHaveNothingToDo(t *testing.T) {
	w := newWorld(wide(2, 64))
	w.submit(w.newJob("", 0), sched.Refuse)
	w.play(func(*job) time.Duration { return time.Microsecond })
	for range 400 {
		w.submit(w.newJob("", 0), sched.Refuse)
	}
	for len(w.crews) < 2 || len(w.crews[0].left) < 2 {
		w.step(0, time.Microsecond, false)
	}
	for w.core.Queued() > 0 { // the second worker does the rest
		w.step(1, time.Microsecond, false)
	}
	require.NotEmpty(t, w.crews[0].left)
	next := w.crews[0].left[0]
	for w.crews[1].runs != next {
		w.step(1, time.Microsecond, false)
		require.NotEqual(t, rests, w.crews[1].state, "there are jobs that nobody has started")
	}
}

// oldest returns the job that was submitted first of those that are queued.
func (w *world) oldest() (first *job) {
	for _, j := range w.jobs {
		if j.state == queued && (first == nil || j.place < first.place) {
			first = j
		}
	}
	return first
}
