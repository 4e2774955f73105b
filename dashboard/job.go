package dashboard

import (
	"time"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// A job is what is known of one from its first start to its end. It is guarded by
// the mutex of the recorder.
type job struct {
	name, key, slotKey string
	submitted          time.Time
	marked             time.Time // until when its time is accounted for
	spent              spent

	// Of the attempt that runs.
	attempt    int
	waited     pool.WaitReason
	slot       slot.Slot
	next, prev *job // among those that run
}

// spent is where the time of a job went.
//
// Invariant: it adds up to the time from the submit to the mark.
type spent struct {
	worker, place, slot, engine time.Duration // waits
	delayed                     time.Duration // by its After, and between attempts
	run                         time.Duration
}

// begins accounts for the time before an attempt.
func (j *job) begins(e pool.StartEvent) {
	ready := e.Ready
	if ready.Before(j.marked) {
		ready = j.marked
	}
	j.spent.delayed += ready.Sub(j.marked)
	*j.spent.waitFor(e.Waited) += e.At.Sub(ready)
	j.marked = e.At
	j.attempt, j.waited, j.slot = e.Attempt, e.Waited, e.Slot
}

// ends accounts for the time of an attempt.
func (j *job) ends(at time.Time) {
	j.spent.run += at.Sub(j.marked)
	j.marked = at
	j.slot = nil
}

// waitFor returns where a wait counts. One under a millisecond has no reason; it
// is the time that a worker takes to come.
func (s *spent) waitFor(why pool.WaitReason) *time.Duration {
	switch why {
	case pool.WaitForPlace:
		return &s.place
	case pool.WaitForSlot:
		return &s.slot
	case pool.WaitForEngine:
		return &s.engine
	}
	return &s.worker
}

// total returns the time from the submit to the mark.
func (j *job) total() time.Duration { return j.marked.Sub(j.submitted) }

// running is the jobs that run, the one that began first in front, and what runs of
// each key.
type running struct {
	ends job // the list's, which is a ring
	keys map[string]use
}

// A use is what runs of a key.
type use struct {
	jobs    int
	slotKey string
	slot    slot.Slot // of one of them
}

func (r *running) add(j *job) {
	if r.keys == nil {
		r.keys = map[string]use{}
		r.ends.next, r.ends.prev = &r.ends, &r.ends
	}
	j.prev, j.next = r.ends.prev, &r.ends
	j.prev.next, j.next.prev = j, j
	r.keys[j.key] = use{r.keys[j.key].jobs + 1, j.slotKey, j.slot}
}

// remove returns false where the job is not in it.
func (r *running) remove(j *job) bool {
	if j.next == nil {
		return false
	}
	j.prev.next, j.next.prev = j.next, j.prev
	j.next, j.prev = nil, nil
	u := r.keys[j.key]
	if u.jobs--; u.jobs == 0 {
		delete(r.keys, j.key)
	} else {
		r.keys[j.key] = u
	}
	return true
}

// each calls f for each job, the one that began first first, until it returns false.
func (r *running) each(f func(*job) bool) {
	for j := r.ends.next; j != nil && j != &r.ends; j = j.next {
		if !f(j) {
			return
		}
	}
}

// ages is how many parts the time of the slowest jobs is kept in: those of a part
// are forgotten together.
const ages = 5

// slowest is the slowest jobs of the last while.
type slowest struct {
	part  time.Duration
	parts [ages + 1]top[finished]
	last  int // the number of the newest part
}

func newSlowest(length time.Duration, most int) slowest {
	s := slowest{part: length / ages}
	for i := range s.parts {
		s.parts[i] = top[finished]{most: most, before: slower}
	}
	return s
}

// finished is a job that has ended.
type finished struct {
	at    time.Time
	job   job
	error string
}

func slower(a, b finished) bool { return a.job.total() > b.job.total() }

// turn forgets what is too old.
func (s *slowest) turn(now time.Duration) {
	number := int(now / s.part)
	for s.last = max(s.last, number-len(s.parts)); s.last < number; {
		s.last++
		p := &s.parts[s.last%len(s.parts)]
		clear(p.all)
		p.all = p.all[:0]
	}
}

func (s *slowest) add(now time.Duration, f finished) {
	s.turn(now)
	s.parts[s.last%len(s.parts)].add(f)
}

// list returns the slowest of all parts.
func (s *slowest) list(now time.Duration) []finished {
	s.turn(now)
	all := top[finished]{most: s.parts[0].most, before: slower}
	for i := range s.parts {
		for _, f := range s.parts[i].all {
			all.add(f)
		}
	}
	return all.inOrder()
}
