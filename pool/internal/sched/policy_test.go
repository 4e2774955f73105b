package sched_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool/internal/sched"
)

// This file holds each sentence of the policy of claims, one event after the
// other: a test says what the engine answers, and looks at what is wanted then.

// A script is a core with slots, and what it wants to have done.
type script struct {
	t     *testing.T
	core  *sched.Core[*job]
	now   time.Duration
	alarm time.Duration // -1: none
	jobs  []*job

	comes                  []sched.WorkerID // those that were started or woken
	joined, left, released []*claimOf
	finished               []*job
}

type claimOf = sched.Claim[*job]

func newScript(t *testing.T, workers int, change ...func(*sched.Config)) *script {
	cfg := sched.Config{
		Workers: workers, Procs: 2, Batch: 1, Queue: 1000, QueueTotal: 1000,
		Slots: true, Reuse: 100 * time.Millisecond, Linger: 100 * time.Millisecond,
	}
	for _, f := range change {
		f(&cfg)
	}
	return &script{t: t, core: sched.New[*job](cfg), alarm: -1}
}

func (s *script) effects() {
	for _, e := range slices.Clone(s.core.Effects()) {
		switch e.Kind {
		case sched.Start, sched.Wake:
			s.comes = append(s.comes, e.Worker)
		case sched.Join:
			s.joined = append(s.joined, e.Claim)
		case sched.Leave:
			s.left = append(s.left, e.Claim)
		case sched.Release:
			s.released = append(s.released, e.Claim)
		case sched.Finish:
			s.finished = append(s.finished, e.Job)
			defer func() { s.core.Ended(s.now); s.effects() }()
		case sched.Alarm:
			s.alarm = e.At
		}
	}
}

func request(j *job, limit int) sched.Request[*job] {
	return sched.Request[*job]{Job: j, Key: j.key, Slot: j.key, Limit: limit}
}

// submit queues n jobs of a key whose limit is not known.
func (s *script) submit(key string, n int) []*job { return s.submitOf(key, n, 0) }

func (s *script) submitOf(key string, n, limit int) (all []*job) {
	for range n {
		j := &job{id: len(s.jobs), key: key, node: &sched.Node{}}
		s.jobs, all = append(s.jobs, j), append(all, j)
		verdict, _ := s.core.Submit(s.now, request(j, limit), sched.Refuse)
		require.Equal(s.t, sched.Accepted, verdict)
		s.effects()
	}
	return all
}

func (s *script) remove(j *job) {
	require.True(s.t, s.core.Remove(s.now, request(j, 0)))
	s.effects()
}

// pass lets time pass, and each alarm ring in its time.
func (s *script) pass(d time.Duration) {
	to := s.now + d
	for s.alarm >= 0 && s.alarm <= to {
		s.now, s.alarm = max(s.now, s.alarm), -1
		s.core.Time(s.now)
		s.effects()
	}
	s.now = to
}

// next has a worker report what it has done, and returns its next order and the
// job of that. It lets others go first for as long as it is to.
func (s *script) next(w sched.WorkerID, r sched.Report) (sched.Order[*job], *job) {
	for {
		var into [1]*job
		o := s.core.Next(w, s.now, r, into[:])
		s.effects()
		if r = (sched.Report{}); o.Do != sched.Look {
			return o, into[0]
		}
	}
}

// come has the worker that was called first ask for its order.
func (s *script) come() (sched.WorkerID, sched.Order[*job]) {
	require.NotEmpty(s.t, s.comes, "no worker is called")
	w := s.comes[0]
	s.comes = s.comes[1:]
	o, _ := s.next(w, sched.Report{})
	return w, o
}

// asks is come where the worker must ask for a slot of a key.
func (s *script) asks(key string) (sched.WorkerID, sched.Order[*job]) {
	w, o := s.come()
	require.Equal(s.t, sched.Ask, o.Do)
	require.Equal(s.t, key, o.Claim.Slot())
	return w, o
}

func (s *script) waiting(cl *claimOf) { s.core.Waiting(s.now, cl); s.effects() }
func (s *script) busy(cl *claimOf)    { s.core.Busy(s.now, cl); s.effects() }
func (s *script) granted(cl *claimOf) { s.core.Granted(s.now, cl, false); s.effects() }
func (s *script) refused(cl *claimOf) { s.core.Refused(s.now, cl, false); s.effects() }

// runs has a worker get a slot of a key and a job for it.
func (s *script) runs(key string) (sched.WorkerID, *claimOf) {
	w, o := s.asks(key)
	s.granted(o.Claim)
	return w, s.starts(w, o.Claim)
}

// starts has a worker start a job under a slot.
func (s *script) starts(w sched.WorkerID, cl *claimOf) *claimOf {
	o, j := s.next(w, sched.Report{})
	require.Equal(s.t, sched.Run, o.Do)
	require.Same(s.t, cl, o.Claim)
	require.Equal(s.t, cl.Slot(), j.key)
	return cl
}

func done(took time.Duration) sched.Report { return sched.Report{Jobs: 1, Took: took} }

func TestAFreeWorkerAsksForSlotsBeforeItLinesUp(t *testing.T) {
	s := newScript(t, 4)
	s.submitOf("contended", 5, 5)
	for _, key := range []string{"a", "b", "c", "d"} {
		s.submit(key, 1)
	}
	w, o := s.asks("contended")
	s.waiting(o.Claim)
	require.Empty(t, s.joined, "there is a key to ask for, for each worker")
	for _, key := range []string{"a", "b", "c"} {
		o, _ = s.next(w, sched.Report{})
		require.Equal(t, key, o.Claim.Slot())
		s.busy(o.Claim)
	}
	require.Len(t, s.joined, 2, "two workers have nothing to ask for any more")
}

func TestAFewPlacesAreKeptForKeysThatOthersWantWhileAllWorkersAreAtWork(t *testing.T) {
	for workers, places := range map[int]int{1: 1, 16: 1, 31: 1, 32: 2, 64: 4} {
		s := newScript(t, workers)
		for i := range workers - 1 { // all but one are at work
			s.submit(fmt.Sprint("own", i), 1)
			s.runs(fmt.Sprint("own", i))
		}
		const keys = 200
		for i := range keys {
			s.submit(fmt.Sprint("contended", i), 1)
		}
		w, o := s.come()
		for i := range keys - 1 {
			require.Equal(t, fmt.Sprint("contended", i), o.Claim.Slot())
			if o.Queue {
				s.waiting(o.Claim)
			} else {
				s.busy(o.Claim)
			}
			require.LessOrEqual(t, s.core.InLine(), places, "%d workers, %d keys are left to ask for", workers, keys-i)
			o, _ = s.next(w, sched.Report{})
		}
		require.Equal(t, places, s.core.InLine(), "%d workers", workers)
		s.granted(o.Claim)
		s.starts(w, o.Claim) // now all are
		require.Equal(t, places, s.core.InLine(), "%d workers", workers)
	}
}

func TestAGrantGoesToTheNextFreeWorkerBeforeItsSlotIsReused(t *testing.T) {
	s := newScript(t, 1)
	s.submit("other", 1)
	w, inLine := s.asks("other")
	s.waiting(inLine.Claim)
	s.submit("own", 3)
	o, _ := s.next(w, sched.Report{})
	own := o.Claim
	s.granted(own)
	s.starts(w, own)

	s.granted(inLine.Claim)
	require.Empty(t, s.released, "it waits for the next worker")
	o, j := s.next(w, done(time.Millisecond))
	require.Equal(t, sched.Run, o.Do)
	require.Equal(t, "other", j.key)
	require.Same(t, inLine.Claim, o.Claim)
	require.Equal(t, []*claimOf{own}, s.released, "somebody else may have it meanwhile")
}

func TestAPlaceIsKeptWhileItsKeyHasAJobAndGivenUpAfterAWhileWithout(t *testing.T) {
	s := newScript(t, 1)
	first := s.submit("k", 1)[0]
	_, o := s.asks("k")
	s.waiting(o.Claim)
	s.remove(first)
	s.pass(60 * time.Millisecond)
	require.Empty(t, s.left, "another job may come")
	second := s.submit("k", 1)[0]
	s.pass(time.Hour)
	require.Empty(t, s.left, "it has come")
	require.EqualValues(t, 1, s.core.Counts(s.now).Claims, "and needs no other place")

	s.remove(second)
	s.pass(99 * time.Millisecond)
	require.Empty(t, s.left)
	s.pass(time.Millisecond)
	require.Equal(t, []*claimOf{o.Claim}, s.left)
}

// The jobs that have come meanwhile are not to suffer for it.
func TestToLeaveALineIsNoRefusal(t *testing.T) {
	s := newScript(t, 1)
	first := s.submit("k", 1)[0]
	w, o := s.asks("k")
	s.waiting(o.Claim)
	left := o.Claim
	o, _ = s.next(w, sched.Report{})
	require.Equal(t, sched.Rest, o.Do)
	s.remove(first)
	s.pass(time.Second)
	require.Equal(t, []*claimOf{left}, s.left)
	s.submit("k", 1)
	s.core.Refused(s.now, left, true)
	s.effects()
	require.Empty(t, s.finished)
	require.Zero(t, s.core.Counts(s.now).Refused)
	s.runs("k") // at once
}

func TestAKeyThatHasNoFreeSlotIsAskedForLessAndLessOften(t *testing.T) {
	s := newScript(t, 1, func(cfg *sched.Config) { cfg.MaxClaims = 1 })
	s.submit("first", 1)
	s.submit("second", 1)
	w, o := s.asks("first")
	s.waiting(o.Claim)
	var asked []time.Duration
	o, _ = s.next(w, sched.Report{})
	for s.now < 10*time.Second {
		require.Equal(t, sched.Ask, o.Do)
		require.Equal(t, "second", o.Claim.Slot())
		require.False(t, o.Queue, "the only place is taken")
		asked = append(asked, s.now)
		s.busy(o.Claim)
		o, _ = s.next(w, sched.Report{})
		require.Equal(t, sched.Rest, o.Do)
		for len(s.comes) == 0 {
			s.pass(time.Millisecond)
		}
		_, o = s.come()
	}
	const ms = time.Millisecond
	require.Equal(t, []time.Duration{0, 5 * ms, 15 * ms, 35 * ms, 75 * ms, 155 * ms, 315 * ms, 635 * ms, 955 * ms}, asked[:9])
	require.Len(t, asked, 9+28, "every 320 ms from then on")
}

// An engine that answers now and then is tried no more often than one that never
// does: one claim at a time shows whether it is back.
func TestOneClaimAtATimeIsMadeWithinASecondOfARefusal(t *testing.T) {
	s := newScript(t, 8)
	s.submitOf("k", 50, 8)
	w, o := s.asks("k")
	s.refused(o.Claim)
	o, _ = s.next(w, sched.Report{})
	require.Equal(t, sched.Rest, o.Do)
	s.comes = nil
	s.pass(199 * time.Millisecond)
	require.Empty(t, s.comes, "no more than five times a second")
	s.pass(time.Millisecond)
	for range 2 { // one after the other
		s.runs("k")
		w, o = s.asks("k")
		require.Empty(t, s.comes, "while one asks")
		s.granted(o.Claim)
		s.starts(w, o.Claim)
	}
	_, o = s.asks("k")
	s.waiting(o.Claim)
	require.Empty(t, s.joined, "while one is in line")
	s.pass(799 * time.Millisecond)
	require.Empty(t, s.joined)
	s.pass(time.Millisecond)
	require.Len(t, s.joined, 3, "one for each worker that is left")
}

func TestASlotIsCheckedBeforeItServesASecondJobOrAfterItHasWaited(t *testing.T) {
	s := newScript(t, 1)
	s.submit("k", 4)
	w, cl := s.runs("k")
	o, _ := s.next(w, done(time.Millisecond))
	require.Equal(t, sched.Check, o.Do, "whether it is still held")
	require.Same(t, cl, o.Claim)
	s.starts(w, cl)
	o, _ = s.next(w, done(time.Millisecond))
	require.Equal(t, sched.Run, o.Do, "once is enough: its loss is told from then on")
	require.Same(t, cl, o.Claim)

	for wait, want := range map[time.Duration]sched.Do{9 * time.Millisecond: sched.Run, 10 * time.Millisecond: sched.Check} {
		s := newScript(t, 1)
		s.submit("k", 1)
		w, inLine := s.asks("k")
		s.waiting(inLine.Claim)
		s.submit("long", 1)
		o, _ := s.next(w, sched.Report{})
		s.granted(o.Claim)
		s.starts(w, o.Claim)
		s.granted(inLine.Claim)
		s.pass(wait)
		o, _ = s.next(w, done(wait))
		require.Same(t, inLine.Claim, o.Claim)
		require.Equal(t, want, o.Do, "after %v", wait)
	}
}

// To find that out the worker has called the source, so anything may have come.
func TestASlotThatIsFoundLostWhenItIsCheckedServesNoJob(t *testing.T) {
	s := newScript(t, 1)
	s.submit("k", 2)
	w, cl := s.runs("k")
	o, _ := s.next(w, done(time.Millisecond))
	require.Equal(t, sched.Check, o.Do)
	s.core.Lost(s.now, cl)
	s.effects()
	o, _ = s.next(w, sched.Report{})
	require.Equal(t, sched.Ask, o.Do, "for another slot")
	require.Equal(t, []*claimOf{cl}, s.released)

	s = newScript(t, 1) // one that has waited for a worker, and served none
	s.submit("k", 1)
	w, inLine := s.asks("k")
	s.waiting(inLine.Claim)
	s.submit("long", 1)
	o, _ = s.next(w, sched.Report{})
	s.granted(o.Claim)
	s.starts(w, o.Claim)
	s.granted(inLine.Claim)
	s.pass(time.Second)
	o, _ = s.next(w, done(time.Second))
	require.Equal(t, sched.Check, o.Do)
	s.core.Lost(s.now, inLine.Claim)
	s.effects()
	o, _ = s.next(w, sched.Report{})
	require.Equal(t, sched.Ask, o.Do)
	require.Equal(t, inLine.Claim, s.released[1])
}

func TestAPoolThatGrowsLinesUpForMoreSlotsAtOnce(t *testing.T) {
	s := newScript(t, 1)
	s.submitOf("k", 60, 60)
	w, o := s.asks("k")
	s.waiting(o.Claim)
	o, _ = s.next(w, sched.Report{})
	require.Equal(t, sched.Rest, o.Do)
	require.Equal(t, 2, s.core.InLine(), "for the worker, and one besides")
	s.core.Resize(s.now, 32)
	s.effects()
	require.Equal(t, 32+2, s.core.InLine())
}
