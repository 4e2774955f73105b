package sched_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool/internal/sched"
)

// This file walks the machines that are drawn in this package, arrow by arrow,
// and then looks that nothing in random worlds takes another one.

// A walk is a core of two workers, each event of which is brought by hand.
type walk struct {
	t       *testing.T
	core    *sched.Core[*job]
	slots   bool
	now     time.Duration
	workers int
	jobs    []*job
	claims  []*sched.Claim[*job] // in the order in which they were begun
	asks    map[sched.WorkerID]*sched.Claim[*job]
	order   sched.Order[*job] // the last one
}

func newWalk(t *testing.T, slots bool) *walk {
	return &walk{t: t, slots: slots, asks: map[sched.WorkerID]*sched.Claim[*job]{}, core: sched.New[*job](sched.Config{
		Workers: 2, Procs: 2, Batch: 1, Queue: 256, QueueTotal: 256, Rest: time.Minute,
		Slots: slots, Reuse: 100 * time.Millisecond, Linger: 100 * time.Millisecond,
	})}
}

func (w *walk) submit(key string) *job {
	j := &job{id: len(w.jobs), key: key, node: &sched.Node{}}
	w.jobs = append(w.jobs, j)
	w.core.Submit(w.now, w.request(j), sched.Refuse)
	w.effects()
	return j
}

func (w *walk) request(j *job) sched.Request[*job] {
	r := j.request()
	if w.slots {
		r.Slot, r.Limit = j.key, 2
	}
	return r
}

func (w *walk) remove(j *job) {
	require.True(w.t, w.core.Remove(w.now, w.request(j)))
	w.effects()
}

// next has a worker ask that has run so many jobs, of a second each.
func (w *walk) next(id sched.WorkerID, ran int) {
	w.order = w.core.Next(id, w.now, sched.Report{Jobs: ran, Took: time.Duration(ran) * time.Second}, make([]*job, 1))
	if w.order.Do == sched.Ask {
		w.claims = append(w.claims, w.order.Claim)
		w.asks[id] = w.order.Claim
	} else {
		delete(w.asks, id)
	}
	w.effects()
}

// orders is next for a worker that is to be told a certain thing.
func (w *walk) orders(id sched.WorkerID, ran int, want sched.Do) {
	w.next(id, ran)
	require.Equal(w.t, want, w.order.Do)
}

func (w *walk) effects() {
	effects := slices.Clone(w.core.Effects())
	for _, e := range effects {
		switch e.Kind {
		case sched.Start:
			w.workers = max(w.workers, int(e.Worker)+1)
		case sched.Join:
			w.claims = append(w.claims, e.Claim)
		case sched.Finish:
			w.core.Ended(w.now)
		}
	}
	if len(effects) > 0 {
		w.effects()
	}
}

func (w *walk) pass(d time.Duration) {
	w.now += d
	require.False(w.t, w.core.Time(w.now), "nobody has a batch")
	w.effects()
}

func (w *walk) drain(abort bool) {
	w.core.Drain(w.now)
	if abort {
		require.False(w.t, w.core.Abort(w.now))
	}
	w.effects()
}

func (w *walk) answer(told func(time.Duration, *sched.Claim[*job]), i int) {
	told(w.now, w.claims[i])
	w.effects()
}

func (w *walk) granted(i int, single bool) {
	w.core.Granted(w.now, w.claims[i], single)
	w.effects()
}

func (w *walk) refused(i int) {
	w.core.Refused(w.now, w.claims[i], false)
	w.effects()
}

// An arrow leads from a state to another. Before brings worker 0, or the first
// claim, to where it begins.
type arrow struct {
	from, to, when string
	slots          bool
	before, event  func(w *walk)
}

func nothing(*walk) {}

// workerArrows are the arrows of workerState.
var workerArrows = []arrow{
	{"absent", "coming", "there is a job", false, nothing,
		func(w *walk) { w.submit("") }},
	{"coming", "busy", "it is handed that", false,
		func(w *walk) { w.submit("") },
		func(w *walk) { w.orders(0, 0, sched.Run) }},
	{"coming", "coming", "the job is gone, and it looks once more", false,
		func(w *walk) { w.remove(w.submit("")) },
		func(w *walk) { w.orders(0, 0, sched.Look) }},
	{"coming", "resting", "there is nothing once more", false,
		func(w *walk) { w.remove(w.submit("")); w.orders(0, 0, sched.Look) },
		func(w *walk) { w.orders(0, 0, sched.Rest) }},
	{"coming", "absent", "nothing will come any more", false,
		func(w *walk) { w.remove(w.submit("")); w.drain(false) },
		func(w *walk) { w.orders(0, 0, sched.End) }},
	{"coming", "asks", "the job needs a slot", true,
		func(w *walk) { w.submit("a") },
		func(w *walk) { w.orders(0, 0, sched.Ask) }},

	{"busy", "busy", "there is another job", false,
		func(w *walk) { w.submit(""); w.orders(0, 0, sched.Run); w.submit("") },
		func(w *walk) { w.orders(0, 1, sched.Run) }},
	{"busy", "coming", "there is none, and it looks once more", false,
		func(w *walk) { w.submit(""); w.orders(0, 0, sched.Run) },
		func(w *walk) { w.orders(0, 1, sched.Look) }},
	{"busy", "resting", "there is none, and another worker comes", false,
		func(w *walk) {
			w.submit("")
			w.orders(0, 0, sched.Run)
			w.submit("")
			require.Equal(w.t, "coming", w.core.StateOf(1))
			w.orders(0, 1, sched.Run)
		},
		func(w *walk) { w.orders(0, 1, sched.Rest) }},
	{"busy", "absent", "nothing will come any more", false,
		func(w *walk) { w.submit(""); w.orders(0, 0, sched.Run); w.drain(false) },
		func(w *walk) { w.orders(0, 1, sched.End) }},
	{"busy", "asks", "the next job needs another slot", true,
		func(w *walk) {
			w.submit("a")
			w.orders(0, 0, sched.Ask)
			w.granted(0, true)
			w.orders(0, 0, sched.Run)
			w.submit("b")
		},
		func(w *walk) { w.orders(0, 1, sched.Ask) }},

	{"busy", "asks", "it checks the slot that it has", true,
		func(w *walk) { serving(w); w.submit("a") },
		func(w *walk) { w.orders(0, 1, sched.Check) }},
	{"asks", "busy", "it has checked the slot", true,
		func(w *walk) { serving(w); w.submit("a"); w.orders(0, 1, sched.Check) },
		func(w *walk) { w.orders(0, 0, sched.Run) }},

	{"asks", "busy", "it has the slot", true,
		func(w *walk) { w.submit("a"); w.orders(0, 0, sched.Ask); w.granted(0, false) },
		func(w *walk) { w.orders(0, 0, sched.Run) }},
	{"asks", "asks", "there was none, and another is needed too", true,
		func(w *walk) { w.submit("a"); w.submit("b"); w.orders(0, 0, sched.Ask); w.answer(w.core.Busy, 0) },
		func(w *walk) { w.orders(0, 0, sched.Ask) }},
	{"asks", "coming", "there was none, and it looks once more", true,
		func(w *walk) { w.submit("a"); w.orders(0, 0, sched.Ask); w.answer(w.core.Busy, 0) },
		func(w *walk) { w.orders(0, 0, sched.Look) }},
	{"asks", "resting", "there was none, and it has looked", true,
		func(w *walk) {
			w.remove(w.submit("a"))
			w.orders(0, 0, sched.Look)
			w.submit("a")
			w.orders(0, 0, sched.Ask)
			w.answer(w.core.Busy, 0)
		},
		func(w *walk) { w.orders(0, 0, sched.Rest) }},
	{"asks", "absent", "the job has ended, and nothing will come", true,
		func(w *walk) { w.submit("a"); w.orders(0, 0, sched.Ask); w.drain(true); w.refused(0) },
		func(w *walk) { w.orders(0, 0, sched.End) }},

	{"resting", "coming", "there is a job", false, restsAtLast,
		func(w *walk) { w.submit("") }},
	{"resting", "leaving", "it has rested for long", false, restsAtLast,
		func(w *walk) { w.pass(time.Minute) }},
	{"leaving", "absent", "it has woken up", false,
		func(w *walk) { restsAtLast(w); w.pass(time.Minute) },
		func(w *walk) { w.orders(0, 0, sched.End) }},
}

func restsAtLast(w *walk) {
	w.submit("")
	w.orders(0, 0, sched.Run)
	w.orders(0, 1, sched.Look)
	w.orders(0, 0, sched.Rest)
}

func TestAWorkerTakesEachArrowThatIsDrawn(t *testing.T) {
	for _, a := range workerArrows {
		t.Run(a.from+" to "+a.to+": "+a.when, func(t *testing.T) {
			w := newWalk(t, a.slots)
			a.before(w)
			require.Equal(t, a.from, w.core.StateOf(0))
			a.event(w)
			require.Equal(t, a.to, w.core.StateOf(0))
		})
	}
}

// claimArrows are the arrows of claimState.
var claimArrows = []arrow{
	{"over", "asking", "a worker is told to ask", true,
		func(w *walk) { w.submit("a") },
		func(w *walk) { w.orders(0, 0, sched.Ask) }},
	{"over", "waiting", "it is to join a line", true,
		func(w *walk) {
			w.submit("a")
			w.orders(0, 0, sched.Ask)
			w.answer(w.core.Waiting, 0) // so that it is known that there is none free
			w.claims = w.claims[1:]
		},
		func(w *walk) { w.submit("a") }},
	{"asking", "waiting", "it has a place in line", true, asked,
		func(w *walk) { w.answer(w.core.Waiting, 0) }},
	{"asking", "granted", "a slot was free", true, asked,
		func(w *walk) { w.granted(0, false) }},
	{"asking", "over", "none was", true, asked,
		func(w *walk) { w.answer(w.core.Busy, 0) }},
	{"asking", "over", "it was refused", true, asked,
		func(w *walk) { w.refused(0) }},
	{"waiting", "granted", "its turn has come", true, inLine,
		func(w *walk) { w.granted(0, false) }},
	{"waiting", "over", "it was refused, or has left", true, inLine,
		func(w *walk) { w.refused(0) }},
	{"granted", "serving", "a worker is free", true, granted,
		func(w *walk) { w.orders(0, 0, sched.Run) }},
	{"granted", "serving", "a worker checks it first, since it is not young", true,
		func(w *walk) { granted(w); w.pass(time.Second) },
		func(w *walk) { w.orders(0, 0, sched.Check) }},
	{"granted", "over", "it was lost", true, granted,
		func(w *walk) { w.answer(w.core.Lost, 0) }},
	{"granted", "over", "no job needs it", true,
		func(w *walk) { granted(w); w.remove(w.jobs[0]) },
		func(w *walk) { w.next(0, 0) }},
	{"serving", "serving", "another job is there, and it is checked", true,
		func(w *walk) { serving(w); w.submit("a") },
		func(w *walk) { w.orders(0, 1, sched.Check) }},
	{"serving", "serving", "it serves that", true,
		func(w *walk) { serving(w); w.submit("a"); w.orders(0, 1, sched.Check) },
		func(w *walk) { w.orders(0, 0, sched.Run); require.True(w.t, w.order.Reused) }},
	{"serving", "over", "no job needs it", true,
		serving,
		func(w *walk) { w.orders(0, 1, sched.Rest) }},
	{"serving", "over", "it is old, though another job is there", true,
		func(w *walk) { serving(w); w.submit("a"); w.pass(100 * time.Millisecond) },
		func(w *walk) { w.next(0, 1) }},
	{"serving", "over", "it was lost", true,
		func(w *walk) { serving(w); w.answer(w.core.Lost, 0) },
		func(w *walk) { w.next(0, 1) }},
}

func asked(w *walk)   { w.submit("a"); w.orders(0, 0, sched.Ask) }
func inLine(w *walk)  { asked(w); w.answer(w.core.Waiting, 0) }
func granted(w *walk) { asked(w); w.granted(0, false) }
func serving(w *walk) { granted(w); w.orders(0, 0, sched.Run) }

func (w *walk) firstClaim() *sched.Claim[*job] {
	if len(w.claims) == 0 {
		return nil
	}
	return w.claims[0]
}

func TestAClaimTakesEachArrowThatIsDrawn(t *testing.T) {
	for _, a := range claimArrows {
		t.Run(a.from+" to "+a.to+": "+a.when, func(t *testing.T) {
			w := newWalk(t, true)
			a.before(w)
			require.Equal(t, a.from, w.firstClaim().State())
			a.event(w)
			require.Equal(t, a.to, w.firstClaim().State())
		})
	}
}

// What happens in what order is drawn by lot, and so is each answer. The walks
// together take every arrow, and no other.
func TestNeitherWorkersNorClaimsTakeAnArrowThatIsNotDrawn(t *testing.T) {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("run it again with -args -sched.seed=%d", s)
	r := rand.New(rand.NewPCG(s, 0))
	workers, claims := newDrawing(workerArrows), newDrawing(claimArrows)
	for range 300 {
		w := newWalk(t, r.IntN(4) > 0)
		for i := range 150 {
			workerStates, claimStates := w.states()
			w.random(r, i > 120)
			nowWorkers, nowClaims := w.states()
			workers.take(t, "absent", workerStates, nowWorkers)
			claims.take(t, "over", claimStates, nowClaims)
		}
	}
	workers.requireAllTaken(t)
	claims.requireAllTaken(t)
}

// states returns the words for where the workers and the claims are.
func (w *walk) states() (workers, claims []string) {
	for id := range w.workers {
		workers = append(workers, w.core.StateOf(sched.WorkerID(id)))
	}
	for _, cl := range w.claims {
		claims = append(claims, cl.State())
	}
	return workers, claims
}

// random brings one event that may happen now.
func (w *walk) random(r *rand.Rand, drain bool) {
	switch r.IntN(8) {
	case 0, 1:
		w.submit(string(rune('a' + r.IntN(3))))
	case 2:
		w.pass(time.Duration(r.Int64N(int64(200 * time.Millisecond))))
	case 3:
		w.randomAnswer(r)
	case 4:
		switch k := r.IntN(20); {
		case drain:
			w.drain(k < 5)
		case k < 3:
			w.pass(time.Minute)
		case k < 8:
			w.core.Resize(w.now, 1+r.IntN(3))
			w.effects()
		case len(w.jobs) > 0:
			w.core.Remove(w.now, w.request(w.jobs[r.IntN(len(w.jobs))]))
			w.effects()
		}
	default:
		w.randomStep(r)
	}
}

// randomStep has a worker come for an order, if one may.
func (w *walk) randomStep(r *rand.Rand) {
	if w.workers == 0 {
		return
	}
	id := sched.WorkerID(r.IntN(w.workers))
	switch w.core.StateOf(id) {
	case "busy":
		w.next(id, 1)
	case "asks":
		if w.asks[id].State() == "asking" {
			w.randomAnswerTo(r, slices.Index(w.claims, w.asks[id]))
			return
		}
		w.next(id, 0)
	case "coming", "leaving":
		w.next(id, 0)
	}
}

func (w *walk) randomAnswer(r *rand.Rand) {
	if len(w.claims) > 0 {
		w.randomAnswerTo(r, len(w.claims)-1-r.IntN(min(8, len(w.claims))))
	}
}

func (w *walk) randomAnswerTo(r *rand.Rand, i int) {
	switch k := r.IntN(8); w.claims[i].State() {
	case "asking":
		switch {
		case k < 4:
			w.granted(i, k == 0)
		case k < 6:
			w.answer(w.core.Waiting, i)
		case k < 7:
			w.answer(w.core.Busy, i)
		default:
			w.refused(i)
		}
	case "waiting":
		if k < 6 {
			w.granted(i, k == 0)
		} else {
			w.refused(i)
		}
	case "granted", "serving":
		if k == 0 {
			w.answer(w.core.Lost, i)
		}
	}
}

// A drawing counts how often each arrow was taken.
type drawing map[string]int

func newDrawing(arrows []arrow) drawing {
	d := drawing{}
	for _, a := range arrows {
		d[a.from+" to "+a.to] = 0
	}
	return d
}

// take compares where the same things were before an event and after it. What is
// new was nowhere before.
func (d drawing) take(t *testing.T, nowhere string, before, after []string) {
	for i, to := range after {
		from := nowhere
		if i < len(before) {
			from = before[i]
		}
		if from == to {
			continue
		}
		a := from + " to " + to
		require.Contains(t, d, a, "an arrow that is not drawn")
		d[a]++
	}
}

func (d drawing) requireAllTaken(t *testing.T) {
	for a, times := range d {
		var from, to string
		_, err := fmt.Sscanf(a, "%s to %s", &from, &to)
		require.NoError(t, err)
		require.True(t, times > 0 || from == to, "%q was never taken", a)
	}
}

// whereabouts are the arrows of where.
var whereabouts = []struct {
	from, to string
	event    func(w *walk, j *job)
}{
	{"nowhere", "in its lane", func(w *walk, j *job) { w.core.Submit(w.now, w.request(j), sched.Refuse) }},
	{"in its lane", "nowhere", func(w *walk, j *job) { w.remove(j) }},
	{"nowhere", "delayed", func(w *walk, j *job) { w.core.Later(w.now, time.Second, w.request(j)) }},
	{"delayed", "nowhere", func(w *walk, j *job) { w.remove(j) }},
	{"nowhere", "delayed", func(w *walk, j *job) { w.core.Later(w.now, time.Second, w.request(j)) }},
	{"delayed", "in its lane", func(w *walk, j *job) { w.pass(time.Second) }},
	{"in its lane", "in a batch", func(w *walk, j *job) {
		w.core.Next(0, w.now, sched.Report{}, make([]*job, 1))
		for range 16 {
			w.submit("")
		}
		w.core.Next(0, w.now, sched.Report{Jobs: 1}, make([]*job, 4)) // it was short
	}},
	{"in a batch", "in its lane", func(w *walk, j *job) { w.core.Recalled(0, []*job{j}, 0) }},
	{"in its lane", "nowhere", func(w *walk, j *job) { w.orders(0, 1, sched.Run) }},
	{"nowhere", "delayed", func(w *walk, j *job) { w.core.Again(w.now, w.now+time.Second, w.request(j)) }},
	{"delayed", "nowhere", func(w *walk, j *job) { w.drain(false) }},
}

func TestAJobIsWhereItIsDrawn(t *testing.T) {
	w := newWalk(t, false)
	w.core = sched.New[*job](sched.Config{Workers: 1, Procs: 1, Batch: 4, Queue: 256, QueueTotal: 256})
	w.submit("") // for the worker to be there
	j := &job{node: &sched.Node{}}
	for _, a := range whereabouts {
		require.Equal(t, a.from, j.node.Where())
		a.event(w, j)
		require.Equal(t, a.to, j.node.Where(), "from %s", a.from)
	}
}
