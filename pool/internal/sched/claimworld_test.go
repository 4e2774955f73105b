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

// A claimWorld is a core with slots whose engine answers what it likes, when it
// likes.
type claimWorld struct {
	t     *testing.T
	r     *rand.Rand
	core  *sched.Core[*job]
	now   time.Duration
	alarm time.Duration

	keys    int
	most    int  // claims in line
	short   bool // so are most jobs
	jobs    []*job
	workers map[sched.WorkerID]*claimWorker
	claims  []*engineClaim
	drains  bool
}

type claimWorker struct {
	comes bool
	asks  *engineClaim
	queue bool
	runs  *job
	left  []*job // of its batch, after that
	done  sched.Report
	under *engineClaim
}

// engineClaim is what the engine knows of a claim.
type engineClaim struct {
	claim  *sched.Claim[*job]
	state  string // asked, waits, leaves, granted, released, over
	single bool
	served int
	// checked says that a worker has looked whether the slot is held, lost that the
	// core was told that it is not.
	checked, lost bool
}

func runClaimWorld(t *testing.T, seed uint64, steps int) {
	r := rand.New(rand.NewPCG(seed, 0))
	w := &claimWorld{t: t, r: r, alarm: -1, keys: 1 + r.IntN(4), short: r.IntN(2) == 0, workers: map[sched.WorkerID]*claimWorker{}}
	w.most = []int{1, 4, 100}[r.IntN(3)]
	w.core = sched.New[*job](sched.Config{
		Workers: 1 + r.IntN(5), Procs: 2, Batch: []int{1, 8}[r.IntN(2)], Queue: []int{2, 256}[r.IntN(2)], QueueTotal: []int{3, 256}[r.IntN(2)],
		Slots: true, Reuse: []time.Duration{0, 100 * time.Millisecond}[r.IntN(2)], Linger: 100 * time.Millisecond,
		MaxClaims: w.most, FailAfter: []time.Duration{0, time.Second}[r.IntN(2)],
	})
	for range steps {
		w.random()
		require.LessOrEqual(t, w.inLine(), w.most, "claims are in line, or may be")
	}
	w.drains = true
	w.core.Drain(w.now)
	w.effects()
	if r.IntN(2) == 0 {
		for w.core.Abort(w.now) {
			w.handIn()
		}
		w.effects()
	}
	for i := 0; len(w.workers) > 0 || w.open() > 0; i++ {
		w.random()
		require.Less(t, i, 200_000, "%d workers, %d claims and %d jobs are left", len(w.workers), w.open(), w.core.Pending())
	}
	for _, j := range w.jobs {
		require.Equal(t, ended, j.state, "job %d", j.id)
	}
	require.Zero(t, w.core.Pending())
}

// inLine returns how many claims are in line, or may be.
func (w *claimWorld) inLine() (n int) {
	for _, c := range w.claims {
		if c.state == "waits" || c.state == "leaves" {
			n++
		}
	}
	for _, worker := range w.workers {
		if worker.asks != nil && worker.queue {
			n++
		}
	}
	return n
}

// open returns how many claims are neither over nor released.
func (w *claimWorld) open() (n int) {
	for _, c := range w.claims {
		if c.state != "over" && c.state != "released" {
			n++
		}
	}
	return n
}

func (w *claimWorld) random() {
	switch w.r.IntN(8) {
	case 0, 1:
		for range 1 + w.r.IntN(8)/7*16 {
			w.submit()
		}
	case 2:
		if !w.short || w.r.IntN(4) == 0 {
			w.pass(time.Duration(w.r.Int64N(int64(150 * time.Millisecond))))
		} else {
			w.pass(time.Duration(w.r.Int64N(int64(2 * time.Millisecond))))
		}
	case 3, 4:
		w.answer()
	case 5:
		if w.r.IntN(4) == 0 {
			w.lose()
		}
	default:
		w.step()
	}
}

func (w *claimWorld) submit() {
	key := fmt.Sprint(w.r.IntN(w.keys))
	j := &job{id: len(w.jobs), key: key, node: &sched.Node{}, priority: w.r.IntN(2)}
	w.jobs = append(w.jobs, j)
	verdict, _ := w.core.Submit(w.now, sched.Request[*job]{Job: j, Key: key, Slot: key[:1], Limit: w.r.IntN(3), Priority: j.priority}, sched.Refuse)
	if j.state = queued; verdict != sched.Accepted {
		j.state = ended
	}
	w.effects()
}

func (w *claimWorld) pass(d time.Duration) {
	w.now += d
	if w.alarm >= 0 && w.alarm <= w.now {
		w.alarm = -1
		for w.core.Time(w.now) {
			w.handIn()
		}
		w.effects()
	}
}

func (w *claimWorld) begin(cl *sched.Claim[*job], state string) *engineClaim {
	c := &engineClaim{claim: cl, state: state}
	cl.Owner = c
	w.claims = append(w.claims, c)
	return c
}

// handIn hands in what is recalled.
func (w *claimWorld) handIn() {
	for _, id := range slices.Clone(w.core.Recalls()) {
		left := w.workers[id].left
		w.workers[id].left = nil
		w.core.Recalled(id, left, 0)
	}
}

func (w *claimWorld) effects() {
	w.handIn()
	for _, e := range slices.Clone(w.core.Effects()) {
		switch e.Kind {
		case sched.Wake:
			w.workers[e.Worker].comes = true
		case sched.Start:
			require.Nil(w.t, w.workers[e.Worker])
			require.False(w.t, w.drains && w.core.Queued() == 0, "a worker is started for nothing")
			w.workers[e.Worker] = &claimWorker{comes: true}
		case sched.Alarm:
			w.alarm = e.At
		case sched.Finish:
			require.Equal(w.t, queued, e.Job.state)
			e.Job.state = ended
			defer func() { w.core.Ended(w.now); w.effects() }()
		case sched.Join:
			w.begin(e.Claim, "waits")
		case sched.Leave:
			c := e.Claim.Owner.(*engineClaim)
			require.Equal(w.t, "waits", c.state, "only what waits can leave")
			c.state = "leaves"
		case sched.Release:
			c := e.Claim.Owner.(*engineClaim)
			require.Equal(w.t, "granted", c.state, "a slot is given back once, and only if there is one")
			c.state = "released"
			for _, worker := range w.workers {
				require.False(w.t, worker.runs != nil && worker.under == c, "it is given back under its job")
			}
		}
	}
}

// answer has the engine say what becomes of a claim.
func (w *claimWorld) answer() {
	var open []*engineClaim
	for _, c := range w.claims {
		if c.state == "waits" || c.state == "leaves" {
			open = append(open, c)
		}
	}
	if len(open) == 0 {
		return
	}
	c := open[w.r.IntN(len(open))]
	if c.state == "leaves" && w.r.IntN(2) == 0 || w.r.IntN(10) == 0 {
		c.state = "over"
		w.core.Refused(w.now, c.claim, w.r.IntN(10) == 0)
	} else {
		w.grant(c)
	}
	w.effects()
}

func (w *claimWorld) grant(c *engineClaim) {
	c.state, c.single = "granted", w.r.IntN(4) == 0
	w.core.Granted(w.now, c.claim, c.single)
}

func (w *claimWorld) lose() {
	for _, c := range w.claims {
		if c.state == "granted" {
			c.lost = true
			w.core.Lost(w.now, c.claim)
			w.effects()
			return
		}
	}
}

// step lets a worker do the next thing.
func (w *claimWorld) step() {
	var ids []sched.WorkerID
	for id, worker := range w.workers {
		if worker.comes || worker.asks != nil || worker.runs != nil {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	id := ids[w.r.IntN(len(ids))]
	worker := w.workers[id]
	var report sched.Report
	switch {
	case worker.asks != nil:
		w.asked(worker)
	case worker.runs != nil:
		worker.runs.state = ended
		worker.runs = nil
		worker.done.Jobs++
		longest := 100 * time.Millisecond
		if w.short && w.r.IntN(20) > 0 {
			longest = 10 * time.Microsecond
		}
		worker.done.Took += time.Duration(w.r.Int64N(int64(longest)))
		if len(worker.left) > 0 && !worker.under.lost {
			w.start(worker)
			return
		}
		if len(worker.left) > 0 {
			left := worker.left
			worker.left = nil
			w.core.Recalled(id, left, 0)
		}
		report, worker.done = worker.done, sched.Report{}
	}
	worker.comes = false
	w.next(id, worker, report)
}

// asked tells what came of what a worker has asked for.
func (w *claimWorld) asked(worker *claimWorker) {
	c := worker.asks
	worker.asks = nil
	switch n := w.r.IntN(6); {
	case n == 0:
		c.state = "over"
		w.core.Refused(w.now, c.claim, w.r.IntN(4) == 0)
	case n < 3:
		w.grant(c)
	case worker.queue:
		c.state = "waits"
		w.core.Waiting(w.now, c.claim)
	default:
		c.state = "over"
		w.core.Busy(w.now, c.claim)
	}
	w.effects()
}

func (w *claimWorld) next(id sched.WorkerID, worker *claimWorker, r sched.Report) {
	var into [8]*job
	o := w.core.Next(id, w.now, r, into[:])
	for o.Do == sched.Again {
		w.handIn()
		o = w.core.Next(id, w.now, sched.Report{}, into[:])
	}
	worker.left = slices.Clone(into[:o.Jobs])
	w.effects()
	switch o.Do {
	case sched.Run:
		c := o.Claim.Owner.(*engineClaim)
		require.Equal(w.t, "granted", c.state, "a job runs under a slot")
		for _, other := range w.workers {
			require.False(w.t, other != worker && other.runs != nil && other.under == c, "two jobs run under one slot")
		}
		require.Equal(w.t, c.served > 0, o.Reused)
		require.False(w.t, c.lost, "a slot that is lost serves a job")
		for _, j := range into[:o.Jobs] {
			require.Equal(w.t, j.key, o.Claim.Slot(), "of its own")
			require.Equal(w.t, j.key, o.Key)
			require.Equal(w.t, j.priority, o.Level)
			require.Equal(w.t, queued, j.state)
		}
		if worker.under = c; len(worker.left) > 0 { // else all of it was recalled at once
			w.start(worker)
		} else {
			worker.comes = true
		}
	case sched.Ask:
		worker.asks, worker.queue = w.begin(o.Claim, "asked"), o.Queue
	case sched.Look:
		worker.comes = true
	case sched.Check:
		worker.comes = true
		c := o.Claim.Owner.(*engineClaim)
		require.Equal(w.t, "granted", c.state)
		require.False(w.t, c.checked, "a slot is checked once")
		c.checked = true
		if w.r.IntN(4) == 0 {
			c.lost = true
			w.core.Lost(w.now, c.claim)
			w.effects()
		}
	case sched.End:
		delete(w.workers, id)
	}
}

// start has a worker start the next job of its batch.
func (w *claimWorld) start(worker *claimWorker) {
	c := worker.under
	worker.runs, worker.left = worker.left[0], worker.left[1:]
	worker.runs.state = started
	c.served++
	require.False(w.t, c.single && c.served > 1, "a slot for one job serves another")
	require.False(w.t, c.served > 1 && !c.checked, "a slot that nobody has checked serves another job")
}

func TestEveryClaimEndsAndEverySlotIsGivenBackOnce(t *testing.T) {
	const length = 400
	for range *steps / length {
		s := *seed
		if s == 0 {
			s = rand.Uint64()
		}
		ok := t.Run(fmt.Sprintf("seed=%d", s), func(t *testing.T) { runClaimWorld(t, s, length) })
		if !ok || *seed != 0 {
			return
		}
	}
}
