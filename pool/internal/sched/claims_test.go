package sched_test

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool/internal/sched"
)

// This file simulates pools that share an engine, event by event: the policy
// of claims, as the core carries it out, with round trips and the engine's
// lines. It shows how many of the possible jobs run, for what part of the time
// slots are held for nothing, and how long a key waits.

const roundTrip = 200 * time.Microsecond

type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events []event

func (h events) Len() int { return len(h) }
func (h events) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), h[i].seq-h[j].seq) < 0
}
func (h events) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *events) Push(x any)   { *h = append(*h, x.(event)) }
func (h *events) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

// A cluster is an engine and the pools that share it.
type cluster struct {
	now    time.Duration
	seq    int
	events events
	limit  int
	keys   map[string]*line
	pools  []*simPool
	rnd    *rand.Rand
	down   bool
}

// A line is what the engine has of a key.
type line struct {
	held  int
	waits []*simClaim
}

type simClaim struct {
	p     *simPool
	claim *sched.Claim[*simJob]
	held  bool
}

type simJob struct {
	node sched.Node
	key  string
}

func (j *simJob) Node() *sched.Node { return &j.node }

// keyLoad is what a pool does with a key.
type keyLoad struct {
	key    string
	queued int // left to submit, beyond those that are in the core
	length func() time.Duration
	since  time.Duration // the last start, or the beginning
	worst  time.Duration // the longest time without a start while it had jobs
	starts int
}

type simPool struct {
	c       *cluster
	core    *sched.Core[*simJob]
	workers int
	loads   map[string]*keyLoad

	jobs, requests int
	running, heldN int
	busy, held     time.Duration // integrals over time
	changed        time.Duration
	over           time.Duration // when the last job ended
}

func newCluster(limit int) *cluster {
	return &cluster{limit: limit, keys: map[string]*line{}, rnd: rand.New(rand.NewPCG(1, 2))}
}

func (c *cluster) after(d time.Duration, do func()) {
	c.seq++
	heap.Push(&c.events, event{c.now + d, c.seq, do})
}

func (c *cluster) run(horizon time.Duration) {
	for len(c.events) > 0 {
		if c.events[0].at > horizon {
			break
		}
		e := heap.Pop(&c.events).(event)
		c.now = e.at
		e.do()
	}
	c.now = min(c.now, horizon)
	for _, p := range c.pools {
		p.account(0, 0)
		for _, l := range p.loads {
			if l.starts < l.queued {
				l.worst = max(l.worst, c.now-l.since)
			}
		}
	}
}

func (c *cluster) line(key string) *line {
	if c.keys[key] == nil {
		c.keys[key] = &line{}
	}
	return c.keys[key]
}

// pool adds a pool, each of whose keys has jobs of a length.
func (c *cluster) pool(workers int, keys []string, queued int, length func() time.Duration) *simPool {
	p := &simPool{c: c, workers: workers, loads: map[string]*keyLoad{}}
	p.core = sched.New[*simJob](sched.Config{
		Workers: workers, Procs: 2, Batch: 1, Queue: 1 << 30, QueueTotal: 1 << 30,
		Slots: true, Reuse: 100 * time.Millisecond, Linger: 100 * time.Millisecond, MaxClaims: 4 * workers,
	})
	c.pools = append(c.pools, p)
	c.after(time.Duration(len(c.pools))*time.Millisecond, func() {
		for _, key := range keys {
			p.loads[key] = &keyLoad{key: key, queued: queued, length: length, since: c.now}
			for range min(queued, 100) {
				p.submit(p.loads[key])
			}
		}
	})
	return p
}

func (p *simPool) submit(l *keyLoad) {
	p.core.Submit(p.c.now, sched.Request[*simJob]{Job: &simJob{key: l.key}, Key: l.key, Slot: l.key, Limit: p.c.limit}, sched.Refuse)
	p.effects()
}

// account integrates over the time since the last change.
func (p *simPool) account(running, held int) {
	d := p.c.now - p.changed
	p.changed = p.c.now
	p.busy += d * time.Duration(p.running)
	p.held += d * time.Duration(p.heldN)
	p.running += running
	p.heldN += held
}

func (p *simPool) effects() {
	for _, e := range slices.Clone(p.core.Effects()) {
		switch e.Kind {
		case sched.Wake, sched.Start:
			p.c.after(0, func() { p.next(e.Worker, sched.Report{}) })
		case sched.Alarm:
			p.c.after(max(0, e.At-p.c.now), func() {
				p.core.Time(p.c.now)
				p.effects()
			})
		case sched.Join:
			p.ask(e.Claim, true, nil)
		case sched.Leave:
			p.c.after(roundTrip/2, func() { p.c.leave(e.Claim.Owner.(*simClaim)) })
		case sched.Release:
			cl := e.Claim.Owner.(*simClaim)
			p.requests++
			p.c.after(roundTrip/2, func() { p.c.release(cl) })
		}
	}
}

func (p *simPool) next(w sched.WorkerID, r sched.Report) {
	var into [1]*simJob
	o := p.core.Next(w, p.c.now, r, into[:])
	p.effects()
	switch o.Do {
	case sched.Run:
		p.start(w, into[0])
	case sched.Ask:
		p.ask(o.Claim, o.Queue, func() { p.next(w, sched.Report{}) })
	case sched.Look, sched.Check:
		p.c.after(0, func() { p.next(w, sched.Report{}) })
	}
}

func (p *simPool) start(w sched.WorkerID, j *simJob) {
	l := p.loads[j.key]
	l.worst = max(l.worst, p.c.now-l.since)
	l.since = p.c.now
	l.starts++
	p.account(1, 0)
	d := l.length()
	p.c.after(d, func() {
		p.account(-1, 0)
		p.jobs++
		p.over = p.c.now
		if l.starts+100 <= l.queued {
			p.submit(l)
		}
		p.next(w, sched.Report{Jobs: 1, Took: d})
	})
}

// ask sends a claim to the engine, which answers a round trip later; then is
// what the worker does that asked.
func (p *simPool) ask(cl *sched.Claim[*simJob], queue bool, then func()) {
	p.requests++
	s := &simClaim{p: p, claim: cl}
	cl.Owner = s
	p.c.after(roundTrip/2, func() {
		l := p.c.line(cl.Slot())
		switch {
		case p.c.down:
			p.answer(func() { p.core.Refused(p.c.now, cl, false) })
		case l.held < p.c.limit && len(l.waits) == 0:
			p.c.grant(l, s)
		case queue:
			l.waits = append(l.waits, s)
			if then != nil {
				p.answer(func() { p.core.Waiting(p.c.now, cl) })
			}
		default:
			p.answer(func() { p.core.Busy(p.c.now, cl) })
		}
		if then != nil {
			p.c.after(roundTrip/2, then)
		}
	})
}

func (p *simPool) answer(do func()) {
	p.c.after(roundTrip/2, func() {
		do()
		p.effects()
	})
}

func (c *cluster) grant(l *line, s *simClaim) {
	l.held++
	s.held = true
	s.p.account(0, 1)
	s.p.answer(func() { s.p.core.Granted(c.now, s.claim, false) })
}

func (c *cluster) release(s *simClaim) {
	l := c.line(s.claim.Slot())
	l.held--
	s.p.account(0, -1)
	for l.held < c.limit && len(l.waits) > 0 {
		first := l.waits[0]
		l.waits = l.waits[1:]
		c.grant(l, first)
	}
}

func (c *cluster) leave(s *simClaim) {
	l := c.line(s.claim.Slot())
	if i := slices.Index(l.waits, s); i >= 0 {
		l.waits = slices.Delete(l.waits, i, i+1)
		s.p.answer(func() { s.p.core.Refused(c.now, s.claim, false) })
	}
}

// figures are what is asked of a pool.
type figures struct {
	use, idle, requests float64
	worst               time.Duration
	unused              float64
}

func (p *simPool) figures(possible float64, over time.Duration) figures {
	f := figures{
		use:      p.busy.Seconds() / over.Seconds() / possible,
		idle:     1 - p.busy.Seconds()/max(p.held.Seconds(), 1e-9),
		requests: float64(p.requests) / float64(max(1, p.jobs)),
		unused:   float64(p.core.Counts(0).Unused) / float64(max(1, p.core.Counts(0).Claims)),
	}
	for _, l := range p.loads {
		f.worst = max(f.worst, l.worst)
	}
	return f
}

func (f figures) String() string {
	return fmt.Sprintf("use %.3f, held for nothing %.3f, requests a job %.2f, unused %.3f, longest wait %v",
		f.use, f.idle, f.requests, f.unused, f.worst.Round(time.Millisecond))
}

func names(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(prefix, i))
	}
	return all
}

// lengths draws how long jobs take: within a tenth of d, or if that is 0 from
// 1 ms to 8 s, each doubling as often.
func (c *cluster) lengths(d time.Duration) func() time.Duration {
	return func() time.Duration {
		if d == 0 {
			return time.Millisecond << c.rnd.IntN(14)
		}
		return d*9/10 + time.Duration(c.rnd.Int64N(int64(d/5)))
	}
}

const endless = 1 << 30

// A scenario is a few pools that share an engine, and what must come out of it.
type scenario struct {
	name    string
	limit   int
	keys    int
	pools   []poolLoad
	length  time.Duration // of the jobs, about; 0: from 1 ms to 8 s
	horizon time.Duration
	use     float64 // of what is possible, at least, all pools together
	idle    float64 // the part of the time that slots are held without a job, at most
	asked   float64 // requests for each job, at most
	wait    time.Duration
}

type poolLoad struct {
	workers int
	keys    int     // the first ones of the scenario's
	can     float64 // how many jobs it could run at once
}

var scenarios = []scenario{
	{
		name: "2 pools of 16 workers and 50 keys", limit: 1, keys: 50, length: 150 * time.Millisecond, horizon: 20 * time.Second,
		pools: []poolLoad{{16, 50, 16}, {16, 50, 16}}, use: 0.98, idle: 0.02, asked: 3, wait: 5 * time.Second,
	},
	{
		name: "2 pools of 1,000 workers and 500 keys", limit: 1, keys: 500, length: 150 * time.Millisecond, horizon: 4 * time.Second,
		pools: []poolLoad{{1000, 500, 250}, {1000, 500, 250}}, use: 0.98, idle: 0.01, asked: 3, wait: time.Second,
	},
	{
		name: "3 pools of 32 workers and 300 keys, short jobs", limit: 1, keys: 300, length: 20 * time.Millisecond, horizon: 10 * time.Second,
		pools: []poolLoad{{32, 300, 32}, {32, 300, 32}, {32, 300, 32}}, use: 0.98, idle: 0.01, asked: 3, wait: 8 * time.Second,
	},
	{
		name: "4 workers, and others always want 5 of 10 keys", limit: 1, keys: 10, length: 300 * time.Millisecond, horizon: 90 * time.Second,
		pools: []poolLoad{{4, 10, 4}, {8, 5, 3}}, use: 0.98, idle: 0.05, asked: 3, wait: 10 * time.Second,
	},
	{
		// With one worker, the place that it keeps for the key that others want
		// is granted while it is at work for the other.
		name: "1 worker, a key that others always want and one of its own", limit: 1, keys: 2, length: 300 * time.Millisecond, horizon: 90 * time.Second,
		pools: []poolLoad{{1, 2, 1}, {2, 1, 0.5}}, use: 0.98, idle: 0.2, asked: 3, wait: 3 * time.Second,
	},
	{
		name: "4 keys that two pools of 4 workers always want", limit: 1, keys: 4, length: 300 * time.Millisecond, horizon: 90 * time.Second,
		pools: []poolLoad{{4, 4, 2}, {4, 4, 2}}, use: 0.98, idle: 0.01, asked: 3, wait: 2 * time.Second,
	},
	{
		name: "2 pools of 8 workers and a key of limit 2", limit: 2, keys: 1, length: 10 * time.Millisecond, horizon: 10 * time.Second,
		pools: []poolLoad{{8, 1, 1}, {8, 1, 1}}, use: 0.98, idle: 0.01, asked: 1, wait: time.Second,
	},
	{
		name: "3 pools of 4, 16 and 64 workers, 100 keys, jobs of 1 ms to 8 s", limit: 1, keys: 100, horizon: 30 * time.Minute,
		pools: []poolLoad{{4, 100, 4}, {16, 100, 16}, {64, 100, 64}}, use: 0.98, idle: 0.05, asked: 3.5, wait: 7 * time.Minute,
	},
}

func TestSlotsAreNotHeldForNothingAndNoKeyStarves(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			c := newCluster(s.limit)
			for _, p := range s.pools {
				c.pool(p.workers, names("k", s.keys)[:p.keys], endless, c.lengths(s.length))
			}
			c.run(s.horizon)
			var busy, held, can float64
			for i, p := range c.pools {
				f := p.figures(s.pools[i].can, c.now)
				t.Logf("pool %d: %v", i, f)
				require.LessOrEqual(t, f.requests, s.asked)
				require.LessOrEqual(t, f.idle, s.idle)
				require.LessOrEqual(t, f.worst, s.wait)
				require.LessOrEqual(t, f.unused, 0.02)
				busy, held, can = busy+p.busy.Seconds(), held+p.held.Seconds(), can+s.pools[i].can
			}
			if s.name[0] != '1' { // the others there do not always have the slot
				require.GreaterOrEqual(t, busy/can/c.now.Seconds(), s.use)
			}
		})
	}
}

// A pool that has no job gives its places in line up, and its slots back.
func TestNothingIsClaimedForNoJob(t *testing.T) {
	c := newCluster(1)
	c.pool(4, names("k", 8), 20, c.lengths(20*time.Millisecond))
	c.pool(4, names("k", 8), 20, c.lengths(20*time.Millisecond))
	c.run(time.Minute)
	for _, l := range c.keys {
		require.Zero(t, l.held)
		require.Empty(t, l.waits)
	}
	for _, p := range c.pools {
		require.Equal(t, 8*20, p.jobs)
		require.Zero(t, p.core.Pending())
		require.Zero(t, p.core.Quotas())
		require.Zero(t, p.core.Counts(0).Refused, "to leave the line is no refusal")
	}
}

func TestRefusedClaimsAreTriedFiveTimesASecondAtMost(t *testing.T) {
	c := newCluster(1)
	c.down = true
	p := c.pool(32, names("k", 3), 50, c.lengths(time.Millisecond))
	c.run(10 * time.Second)
	require.LessOrEqual(t, p.requests, 3*5*10+3)
	require.GreaterOrEqual(t, p.requests, 3*4*10)
	c.down = false
	c.run(11 * time.Second)
	require.Equal(t, 150, p.jobs)
}
