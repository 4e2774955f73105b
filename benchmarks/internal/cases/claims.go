package cases

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/driver"
	"github.com/berth-go/berth/benchmarks/internal/meter"
	"github.com/berth-go/berth/benchmarks/internal/plain"
	"github.com/berth-go/berth/benchmarks/internal/suite"
	"github.com/berth-go/berth/benchmarks/internal/tap"
)

// A load is how many workers want slots of how many keys.
type load struct {
	workers int
	keys    int // 1, or one for each worker
	limit   int // slots of each key
	job     time.Duration
}

// key returns the name of the key of worker or lane i.
func (l load) key(i int) string { return "job-" + strconv.Itoa(i%l.keys) }

// A run of a load counts what its jobs do.
type run struct {
	load
	gates  []*meter.Gate  // by key
	claims int64          // what the client says that it claimed; 0: one a job
	apart  *driver.Report // of the other process that ran the jobs; nil: none did
}

func newRun(l load) *run {
	r := &run{load: l}
	for range l.keys {
		r.gates = append(r.gates, meter.NewGate(l.limit))
	}
	return r
}

// job is what runs while a slot of the i-th key is held.
func (r *run) do(i int) {
	g := r.gates[i%r.keys]
	g.Enter()
	spin(r.load.job)
	g.Leave()
}

// check returns an error unless want jobs ran and no key had more of them at
// once than it has slots.
func (r *run) check(want int64) error {
	var ran int64
	if r.apart != nil {
		ran = r.apart.Ran
		if r.apart.Most > int64(r.limit) {
			return fmt.Errorf("%d jobs ran at once, the limit is %d", r.apart.Most, r.limit)
		}
	}
	for i, g := range r.gates {
		ran += g.Ran()
		if err := g.Check(g.Ran()); err != nil {
			return fmt.Errorf("%s: %w", r.key(i), err)
		}
	}
	if ran != want {
		return fmt.Errorf("ran %d jobs, should have run %d", ran, want)
	}
	return nil
}

// A way is a client: start returns a function that has the next job run under
// a slot and may return before it did, and one that waits for all jobs.
type way struct {
	start func(d plain.Dialer, r *run) (next func(), finish func() error, err error)
	// reuses says that one claim may serve several jobs.
	reuses bool
}

// claims measures a way of claiming against a server.
func (e *Env) claims(f flavour, l load, w way) func(*testing.B) error {
	return func(b *testing.B) error {
		s, err := e.start(f)
		if err != nil {
			return err
		}
		defer s.Stop()
		if err := s.countOnTheWire(l, w); err != nil {
			return err
		}
		before, err := s.grants()
		if err != nil {
			return err
		}
		r := newRun(l)
		next, finish, err := w.start(s.Dialer, r)
		if err != nil {
			return err
		}
		cost, err := s.meter()
		if err != nil {
			return err
		}
		for b.Loop() {
			next()
		}
		if err := timed(b, finish); err != nil {
			return err
		}
		if err := cost(b); err != nil {
			return err
		}
		if err := r.check(int64(b.N)); err != nil {
			return err
		}
		after, err := s.grants()
		if err != nil {
			return err
		}
		return s.checkGrants(w, r, after-before, b.N)
	}
}

// grants returns how many grants our server has made, plus a constant.
func (s *server) grants() (uint64, error) {
	if !s.ours {
		return 0, nil
	}
	return s.Fence()
}

// checkGrants compares what our server counted between two fences with what
// was claimed and with the jobs that ran. The second fence is a grant itself.
func (s *server) checkGrants(w way, r *run, counted uint64, jobs int) error {
	if !s.ours {
		return nil // the original server counts nothing; see countOnTheWire
	}
	return checkGrants(w, r, int64(counted-1), int64(jobs))
}

// checkGrants returns an error if the server granted more slots than were
// claimed, or fewer than the jobs needed.
func checkGrants(w way, r *run, grants, jobs int64) error {
	claims := jobs
	if r.claims > 0 {
		claims = r.claims
	}
	needed := jobs
	if w.reuses {
		needed = 1
	}
	if grants > claims || grants < needed {
		return fmt.Errorf("the server granted %d slots for %d claims and %d jobs", grants, claims, jobs)
	}
	return nil
}

// countOnTheWire runs some jobs through a tap and checks that each had a grant
// of the server and that each grant went back. It is not part of what is
// timed.
func (s *server) countOnTheWire(l load, w way) error {
	t, err := tap.New(s.Addr, s.certs.server, s.certs.client)
	if err != nil {
		return err
	}
	defer t.Close()
	d := s.Dialer
	d.Addr = t.Addr()
	r := newRun(l)
	next, finish, err := w.start(d, r)
	if err != nil {
		return err
	}
	jobs := 3 * l.workers
	for range jobs {
		next()
	}
	if err := finish(); err != nil {
		return err
	}
	if err := r.check(int64(jobs)); err != nil {
		return err
	}
	var granted, released int
	settled := eventually(func() bool {
		_, granted, released = t.Counts()
		return released >= granted
	})
	if !settled || released != granted {
		return fmt.Errorf("the server granted %d slots and %d were released", granted, released)
	}
	return checkGrants(w, r, int64(granted), int64(jobs))
}

// eventually reports whether ok comes true within two seconds.
func eventually(ok func() bool) bool {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

// dialing claims as the official client's Semaphore does: a connection for
// each claim.
var dialing = way{start: func(d plain.Dialer, r *run) (func(), func() error, error) {
	return startWorkers(r.workers, func(i int) (func() error, func(), error) {
		work := func() error { return d.Once(r.key(i), r.limit, func() { r.do(i) }) }
		return work, func() {}, nil
	})
}}

// keeping claims one after the other on a connection that each worker keeps.
var keeping = way{start: func(d plain.Dialer, r *run) (func(), func() error, error) {
	return startWorkers(r.workers, func(i int) (func() error, func(), error) {
		c, err := d.Dial()
		if err != nil {
			return nil, nil, err
		}
		work := func() error {
			token, err := c.Acquire(r.key(i), r.limit)
			if err != nil {
				return err
			}
			r.do(i)
			return c.Release(r.key(i), token)
		}
		return work, func() { _ = c.Close() }, nil
	})
}}

// locking does what the official benchmark program does: a lock each, on a
// connection that each worker keeps.
var locking = way{start: func(d plain.Dialer, r *run) (func(), func() error, error) {
	return startWorkers(r.workers, func(i int) (func() error, func(), error) {
		c, err := d.Dial()
		if err != nil {
			return nil, nil, err
		}
		work := func() error {
			token, err := c.Lock(r.key(i))
			if err != nil {
				return err
			}
			r.do(i)
			return c.Unlock(r.key(i), token)
		}
		return work, func() { _ = c.Close() }, nil
	})
}}

// startWorkers starts n goroutines that each do their work once for each call
// of next, which waits until one is free.
func startWorkers(n int, worker func(i int) (work func() error, end func(), err error)) (next func(), finish func() error, err error) {
	turns := make(chan bool)
	failed := make(chan error, n)
	var running sync.WaitGroup
	for i := range n {
		work, end, err := worker(i)
		if err != nil {
			close(turns)
			running.Wait()
			return nil, nil, err
		}
		running.Go(func() {
			defer end()
			var first error
			for range turns {
				if first == nil {
					first = work()
				}
			}
			failed <- first
		})
	}
	finish = func() error {
		close(turns)
		running.Wait()
		close(failed)
		for err := range failed {
			if err != nil {
				return err
			}
		}
		return nil
	}
	return func() { turns <- true }, finish, nil
}

// Sides of the claims groups.
const (
	berthOnOurs        = "berth, pool, client and server"
	berthOnOriginal    = "berth, pool and client, original server"
	sourceOnOriginal   = "berth, client alone, original server"
	keptOnOriginal     = "kept connections, original server"
	officialOnOriginal = "official Go client, original server"
	plainOnOriginal    = "plain client, original server"
)

// besides are the engines that a group of claims is compared with.
func (e *Env) besides(l load) []suite.Side {
	sides := []suite.Side{{Name: "Redis, sorted set", Run: e.engineClaims(redisSortedSet, l)}}
	if l.keys > 1 { // a mutex has one slot, and each worker of these loads has a key
		l.limit = 1
		sides = append(sides, suite.Side{Name: "etcd, Mutex", Run: e.engineClaims(etcdMutex, l)})
	}
	return sides
}

// claimsGroup compares ways of claiming a slot for each job.
func (e *Env) claimsGroup(name, file string, l load, target float64) suite.Group {
	g := suite.Group{
		Name: name,
		Area: suite.Claims,
		Time: claimTime,
		Sides: []suite.Side{
			{Name: berthOnOurs, Ours: true, Run: e.claims(ours, l, oneEach)},
			{Name: berthOnOriginal, Ours: true, Run: e.claims(original, l, oneEach)},
			{Name: sourceOnOriginal, Ours: true, Run: e.claims(original, l, sourcing)},
			{Name: keptOnOriginal, Run: e.claims(original, l, keeping)},
			{Name: officialOnOriginal, Run: e.claims(original, l, e.official())},
			{Name: plainOnOriginal, Run: e.claims(original, l, dialing)},
		},
		Rows:   []suite.Row{besideOfficial(lower(name)+": berth / the official client, on the original server", berthOnOriginal, target)},
		Charts: []suite.Chart{{File: file, Title: name, Y: "jobs a second", Metric: suite.PerJob, Rate: true}},
	}
	g.Sides = append(g.Sides, e.besides(l)...)
	return g
}

// besideOfficial is a row that compares a side with the official client, or with
// the plain one where that is not at hand.
func besideOfficial(what, side string, target float64) suite.Row {
	return suite.Row{
		What: what, Of: suite.Speed(side, officialOnOriginal), Stand: plainOnOriginal, Target: suite.AtLeast(target, "×"),
	}
}

func lower(name string) string { return strings.ToLower(name[:1]) + name[1:] }

func (e *Env) claimGroups() []suite.Group {
	many := e.claimsGroup("Claims, 64 workers, a key each", "claims-64", load{workers: 64, keys: 64, limit: 64}, 4)
	many.Rows = append(many.Rows, besideOfficial("claims, 64 workers, a key each: berth on its own server / the official client on the original", berthOnOurs, 8))
	return []suite.Group{
		e.claimsGroup("Claims, 8 workers, a key each", "claims-8", load{workers: 8, keys: 8, limit: 8}, 4),
		many,
		e.claimsGroup("Claims, 8 workers, one key, limit 2", "claims-8-contended", load{workers: 8, keys: 1, limit: 2}, 2.2),
		e.claimsGroup("Claims, 64 workers, one key, limit 16", "claims-64-contended", load{workers: 64, keys: 1, limit: 16}, 2.2),
		e.secureGroup(8),
		e.secureGroup(64),
		e.shortJobsGroup(),
	}
}

// secureGroup compares claims over TLS with a secret.
func (e *Env) secureGroup(workers int) suite.Group {
	l := load{workers: workers, keys: workers, limit: workers}
	name := fmt.Sprintf("Claims, %d workers, a key each, TLS and secret", workers)
	return suite.Group{
		Name: name,
		Area: suite.Claims,
		Time: claimTime,
		Sides: []suite.Side{
			{Name: berthOnOriginal, Ours: true, Run: e.claims(originalSecure, l, oneEach)},
			{Name: keptOnOriginal, Run: e.claims(originalSecure, l, keeping)},
			{Name: officialOnOriginal, Run: e.claims(originalSecure, l, e.official())},
			{Name: plainOnOriginal, Run: e.claims(originalSecure, l, dialing)},
		},
		Rows: []suite.Row{besideOfficial(lower(name)+": berth / the official client, on the original server", berthOnOriginal, 13)},
	}
}

// shortJobsGroup compares jobs that take about a microsecond, for which a
// claim each would be most of the work.
func (e *Env) shortJobsGroup() suite.Group {
	l := load{workers: 8, keys: 1, limit: 8, job: time.Microsecond}
	const (
		slotted = "berth, slots reused, its own server"
		foreign = "berth, slots reused, original server"
		bare    = "berth, no slots"
	)
	return suite.Group{
		Name: "Jobs of 1 µs, 8 workers, one key, limit 8",
		Area: suite.Claims,
		Time: claimTime,
		Sides: []suite.Side{
			{Name: bare, Ours: true, Run: unslotted(l)},
			{Name: slotted, Ours: true, Run: e.claims(ours, l, reusing)},
			{Name: foreign, Ours: true, Run: e.claims(original, l, reusing)},
			{Name: officialOnOriginal, Run: e.claims(original, l, e.official())},
			{Name: plainOnOriginal, Run: e.claims(original, l, dialing)},
		},
		Rows: []suite.Row{
			besideOfficial("jobs of 1 µs with slot reuse, 8 workers / the official client", slotted, 100),
			{What: "the same / the same pool without slots", Of: suite.Cost(slotted, bare, suite.PerJob), Target: suite.AtMost(3, "×")},
		},
	}
}
