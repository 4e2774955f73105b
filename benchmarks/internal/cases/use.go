package cases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/meter"
	"github.com/berth-go/berth/benchmarks/internal/suite"
	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// Metrics of how well pools use the slots that they share.
const (
	ofPossible = "%-of-possible"  // jobs a second that ran, of those that could
	idleSlots  = "%-idle"         // slots that the server counts as held, and no job runs under them
	unusedGot  = "%-unused"       // grants that went back without a job
	perJobAsks = "requests-a-job" // as they go over the wire
	worstWait  = "ms-worst-wait"  // of a key with jobs for the start of one
)

// A party is a pool, and which keys it has jobs for.
type party struct{ workers, from, to int }

// A usage is a load of pools that share slots: each has the same number of jobs
// of each of its keys, which sleep.
type usage struct {
	parties  []party
	measured int // how many of the parties are, from the first; the others are in their way
	job      time.Duration
	queued   int           // jobs of each key, at the beginning
	settle   time.Duration // before it is measured
	window   time.Duration // for how long it is
}

// same is a usage of equal pools that have jobs for all keys.
func same(pools, workers, keys int, job time.Duration, queued int) usage {
	u := usage{measured: pools, job: job, queued: queued, settle: 4 * time.Second, window: 8 * time.Second}
	for range pools {
		u.parties = append(u.parties, party{workers, 0, keys})
	}
	return u
}

// possible is how many jobs of the measured parties could run at once. A key has
// one slot, and others may have it.
func (u usage) possible() int {
	workers, keys := 0, map[int]bool{}
	for _, p := range u.parties[:u.measured] {
		workers += p.workers
		for k := p.from; k < p.to; k++ {
			keys[k] = true
		}
	}
	return min(workers, len(keys))
}

// A fleet is the pools of a usage while they run.
type fleet struct {
	usage
	sources  []*dflockd.Source
	pools    []*pool.Pool
	gates    []*meter.Gate // by key
	running  atomic.Int64
	ended    []atomic.Int64 // jobs, by party
	requests lineCount
	waits    []*keyWaits // by party
}

func (e *Env) use(u usage) func(*testing.B) error {
	if e.short {
		u.settle, u.window, u.queued = 100*time.Millisecond, 300*time.Millisecond, max(2, u.queued/10)
	}
	return func(b *testing.B) error {
		s, err := e.start(ours)
		if err != nil {
			return err
		}
		defer s.Stop()
		_, err = onlyOnce(b, func() (struct{}, error) { return struct{}{}, u.measure(b, s) })
		return err
	}
}

func (u usage) measure(b *testing.B, s *server) (err error) {
	f := &fleet{usage: u, ended: make([]atomic.Int64, len(u.parties))}
	defer func() { err = errors.Join(err, f.close()) }()
	for i, p := range u.parties {
		if err := f.join(i, p, s); err != nil {
			return err
		}
	}
	if err := f.submit(); err != nil {
		return err
	}
	time.Sleep(u.settle)
	return f.watch(b, s)
}

// join starts the pool of a party.
func (f *fleet) join(i int, p party, s *server) error {
	for len(f.gates) < p.to {
		f.gates = append(f.gates, meter.NewGate(1))
	}
	src, err := dflockd.NewSource(slot.Keyed("", 1), dflockd.WithServers(s.Addr), dflockd.WithDialer(f.requests.dial))
	if err != nil {
		return err
	}
	f.sources = append(f.sources, src)
	room := f.queued * (p.to - p.from)
	w, err := pool.New(p.workers, pool.WithSlots(src), pool.WithQueue(f.queued), pool.WithQueueTotal(room))
	if err != nil {
		return err
	}
	f.pools = append(f.pools, w)
	f.waits = append(f.waits, newKeyWaits(p))
	return nil
}

// submit queues the jobs of all parties, the keys in turn.
func (f *fleet) submit() error {
	for n := range f.queued {
		for i, p := range f.parties {
			for k := p.from; k < p.to; k++ {
				if err := f.pools[i].Go(f.job(i, k), pool.Key(fmt.Sprint("key-", k))); err != nil {
					return fmt.Errorf("job %d of key %d: %w", n, k, err)
				}
			}
		}
	}
	return nil
}

func (f *fleet) job(i, key int) pool.Job {
	return func(ctx context.Context) error {
		f.waits[i].started(key)
		f.gates[key].Enter()
		f.running.Add(1)
		select {
		case <-time.After(f.usage.job):
			f.ended[i].Add(1)
		case <-ctx.Done():
		}
		f.running.Add(-1)
		f.gates[key].Leave()
		return nil
	}
}

// done is what has been counted up to a moment.
type done struct{ jobs, all, requests, claims, unused int64 }

func (f *fleet) done() (d done) {
	for i := range f.parties {
		n := f.ended[i].Load()
		d.all += n
		if i < f.measured {
			d.jobs += n
		}
		s := f.pools[i].Stats()
		d.unused += s.Unneeded
		d.claims += s.Claims
	}
	d.requests = f.requests.lines.Load() / linesPerRequest
	return d
}

// watch samples the fleet for the length of the window and reports.
func (f *fleet) watch(b *testing.B, s *server) error {
	before, grants, err := f.snapshot(s)
	if err != nil {
		return err
	}
	conn, err := s.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	held, idle := 0.0, 0.0
	begin := time.Now()
	for time.Since(begin) < f.window {
		time.Sleep(20 * time.Millisecond)
		before := f.running.Load()
		stats, err := conn.Stats()
		if err != nil {
			return err
		}
		held += float64(stats.Held)
		idle += float64(stats.Held) - float64(before+f.running.Load())/2
	}
	took := time.Since(begin)
	after, grantsNow, err := f.snapshot(s)
	if err != nil {
		return err
	}
	for i, p := range f.pools {
		if p.Stats().Lanes == 0 {
			return fmt.Errorf("party %d ran out of jobs", i)
		}
	}
	jobs := after.all - before.all
	if jobs == 0 || held == 0 {
		return errors.New("no job ran under a slot")
	}
	b.ReportMetric(100*float64(after.jobs-before.jobs)*f.usage.job.Seconds()/took.Seconds()/float64(f.possible()), ofPossible)
	b.ReportMetric(100*max(0, idle)/held, idleSlots)
	b.ReportMetric(100*float64(after.unused-before.unused)/float64(grantsNow-grants), unusedGot)
	b.ReportMetric(float64(after.requests-before.requests)/float64(jobs), perJobAsks)
	b.ReportMetric(f.worst(), worstWait)
	return nil
}

func (f *fleet) snapshot(s *server) (done, uint64, error) {
	grants, err := s.grants()
	return f.done(), grants, err
}

// worst returns the longest time, in milliseconds, for which a key of a measured
// party has waited for a start.
func (f *fleet) worst() float64 {
	var worst time.Duration
	for _, w := range f.waits[:f.measured] {
		worst = max(worst, w.worst())
	}
	return float64(worst) / float64(time.Millisecond)
}

// close drops what is queued and checks that no key had two jobs at once.
func (f *fleet) close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	var errs []error
	for _, p := range f.pools {
		if err := p.Shutdown(now); err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
	}
	for _, src := range f.sources {
		errs = append(errs, closeSource(src))
	}
	for k, g := range f.gates {
		if err := g.Check(g.Ran()); err != nil {
			errs = append(errs, fmt.Errorf("key %d: %w", k, err))
		}
	}
	return errors.Join(errs...)
}

// keyWaits notes for how long each key of a party has waited for a start.
type keyWaits struct {
	mu      sync.Mutex // guards what follows
	from    int
	last    []time.Time // start of each key
	longest time.Duration
}

func newKeyWaits(p party) *keyWaits {
	w := &keyWaits{from: p.from, last: make([]time.Time, p.to-p.from)}
	for i := range w.last {
		w.last[i] = time.Now()
	}
	return w
}

func (w *keyWaits) started(key int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.longest = max(w.longest, now.Sub(w.last[key-w.from]))
	w.last[key-w.from] = now
}

// worst is the longest wait, those that go on included.
func (w *keyWaits) worst() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	worst := w.longest
	for _, at := range w.last {
		worst = max(worst, time.Since(at))
	}
	return worst
}

// lineCount dials connections and counts the lines that are written to them.
type lineCount struct{ lines atomic.Int64 }

// linesPerRequest is how long a request of the protocol is.
const linesPerRequest = 3

func (c *lineCount) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &countedConn{nc, &c.lines}, nil
}

type countedConn struct {
	net.Conn
	lines *atomic.Int64
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.lines.Add(int64(bytes.Count(p, []byte{'\n'})))
	return c.Conn.Write(p)
}

func (e *Env) useGroups() []suite.Group {
	return []suite.Group{e.useGroup(), e.useOverKeys(), e.handOverGroup()}
}

// useRounds keeps scenarios that take long from making the whole run long.
const useRounds = 3

func (e *Env) useGroup() suite.Group {
	const ms = time.Millisecond
	const (
		large = "2 pools of 1,000 workers, 500 keys, jobs of 150 ms"
		small = "2 pools of 16 workers, 50 keys, jobs of 150 ms"
		quick = "3 pools of 32 workers, 300 keys, jobs of 20 ms"
		hot   = "4 workers, 10 keys of which others always want 5, jobs of 150 ms"
		one   = "1 worker, 2 keys of which others always want 1, jobs of 150 ms"
	)
	others := func(workers, keys, hot int) usage {
		u := same(1, workers, keys, 150*ms, 200)
		u.parties = append(u.parties, party{4 * hot, 0, hot})
		return u
	}
	loads := []struct {
		name string
		u    usage
	}{
		{large, same(2, 1_000, 500, 150*ms, 60)},
		{small, same(2, 16, 50, 150*ms, 60)},
		{quick, same(3, 32, 300, 20*ms, 100)},
		{hot, others(4, 10, 5)},
		{one, others(1, 2, 1)},
	}
	g := suite.Group{Name: "Use of slots, one for each key, that pools share", Area: suite.Use, Rounds: useRounds}
	for _, l := range loads {
		g.Sides = append(g.Sides, suite.Side{Name: l.name, Ours: true, Once: true, Run: e.use(l.u)})
	}
	share := func(name string, atLeast float64) suite.Row {
		return suite.Row{What: name + ": jobs that ran, of those that could", Of: suite.Value(name, ofPossible), Target: suite.AtLeast(atLeast, "%")}
	}
	idle := func(name string, atMost float64) suite.Row {
		return suite.Row{What: name + ": of the time for which slots are held, no job runs", Of: suite.Value(name, idleSlots), Target: suite.AtMost(atMost, "%")}
	}
	asks := func(name string) suite.Row {
		return suite.Row{What: name + ": requests a job", Of: suite.Value(name, perJobAsks), Target: suite.AtMost(3, "")}
	}
	wait := func(name string, atMost float64) suite.Row {
		return suite.Row{What: name + ": the longest that a key waited for a start", Of: suite.Value(name, worstWait), Target: suite.AtMost(atMost, "ms")}
	}
	g.Rows = []suite.Row{
		share(large, 95), idle(large, 5), asks(large),
		share(small, 98), idle(small, 5), asks(small),
		{What: small + ": grants that went back unused", Of: suite.Value(small, unusedGot), Target: suite.AtMost(2, "%")},
		share(quick, 95), idle(quick, 10), asks(quick),
		share(hot, 98), idle(hot, 5), asks(hot), wait(hot, 2_500),
		share(one, 98), idle(one, 20), asks(one), wait(one, 2_500),
	}
	return g
}

// useOverKeys shows how use depends on how many keys there are for each worker.
func (e *Env) useOverKeys() suite.Group {
	const pools, workers = 2, 16
	g := suite.Group{Name: "Use of slots over keys", Area: suite.Use, Rounds: useRounds}
	ran := suite.Chart{
		File: "use-possible", Title: "Jobs that ran, of those that could: 2 pools of 16 workers, jobs of 50 ms", X: "keys for each worker", Y: "%",
		Metric: ofPossible, Share: true, More: true,
	}
	idle := suite.Chart{
		File: "use-idle", Title: "Of the time for which slots are held, no job runs: 2 pools of 16 workers, jobs of 50 ms", X: "keys for each worker", Y: "%",
		Metric: idleSlots, Share: true,
	}
	line := suite.Line{Name: "berth, one slot for each key"}
	for _, perWorker := range []float64{0.5, 1, 2, 4, 8} {
		u := same(pools, workers, int(perWorker*pools*workers), 50*time.Millisecond, 200)
		u.settle, u.window = 2*time.Second, 4*time.Second
		side := suite.Side{Name: fmt.Sprintf("%s, %s keys for each worker", line.Name, suite.Figure(perWorker)), Ours: true, Once: true, Run: e.use(u)}
		g.Sides = append(g.Sides, side)
		line.X, line.Sides = append(line.X, perWorker), append(line.Sides, side.Name)
	}
	ran.Lines, idle.Lines = []suite.Line{line}, []suite.Line{line}
	g.Charts = []suite.Chart{ran, idle}
	return g
}
