package cases

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/meter"
	"github.com/berth-go/berth/benchmarks/internal/peer"
	"github.com/berth-go/berth/benchmarks/internal/plain"
	"github.com/berth-go/berth/pool"
)

// berthGo is our pool without slots, fire and forget.
var berthGo = peer.Pool{Name: "berth, Go", Start: func(workers int, job func()) (func(), func() error) {
	p, err := pool.New(workers, pool.WithQueue(peer.Queue))
	if err != nil {
		return func() {}, func() error { return err }
	}
	work := func(context.Context) error { job(); return nil }
	refused := refusals{}
	return func() { refused.note(p.Go(work)) }, func() error { refused.note(shutDown(p)); return refused.err }
}}

// refusals keeps the first error of a submit.
type refusals struct {
	once sync.Once
	err  error
}

func (r *refusals) note(err error) {
	if err != nil {
		r.once.Do(func() { r.err = err })
	}
}

func shutDown(p *pool.Pool) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return p.Shutdown(ctx)
}

// pooling claims with berth's pool and client: what people would use.
func pooling(opts ...pool.Option) way {
	return way{start: func(d plain.Dialer, r *run) (func(), func() error, error) {
		src, err := newSource(d, r)
		if err != nil {
			return nil, nil, err
		}
		next, finish, err := startPool(r, append(opts, pool.WithSlots(src))...)
		if err != nil {
			return nil, nil, err
		}
		return next, func() error {
			if err := finish(); err != nil {
				return err
			}
			return closeSource(src)
		}, nil
	}}
}

// oneEach claims a slot for each job, reusing keeps a slot for the next job.
var (
	oneEach = pooling(pool.WithReuse(0))
	reusing = way{start: pooling().start, reuses: true}
)

// startPool starts a pool for a run. next submits a job to the lanes in turn.
func startPool(r *run, opts ...pool.Option) (next func(), finish func() error, err error) {
	p, err := pool.New(r.workers, opts...)
	if err != nil {
		return nil, nil, err
	}
	type lane struct {
		job pool.Job
		key pool.JobOption
	}
	var lanes []lane
	for i := range r.keys {
		lanes = append(lanes, lane{func(context.Context) error { r.do(i); return nil }, pool.Key(r.key(i))})
	}
	refused := refusals{}
	i := 0
	next = func() {
		l := &lanes[i]
		if i++; i == len(lanes) {
			i = 0
		}
		refused.note(p.Go(l.job, l.key))
	}
	finish = func() error {
		refused.note(shutDown(p))
		r.claims = p.Stats().Claims
		return refused.err
	}
	return next, finish, nil
}

// unslotted runs a load's jobs in a pool without slots.
func unslotted(l load) func(*testing.B) error {
	return func(b *testing.B) error {
		r := newRun(l)
		next, finish, err := startPool(r)
		if err != nil {
			return err
		}
		for b.Loop() {
			next()
		}
		if err := timed(b, finish); err != nil {
			return err
		}
		return r.check(int64(b.N))
	}
}

// awaited submits bursts and waits for each of their tasks.
func awaited(b *testing.B) error {
	jobs := new(meter.Jobs)
	p, err := pool.New(8, pool.WithQueue(peer.Queue))
	if err != nil {
		return err
	}
	ctx := context.Background()
	job := func(context.Context) error { jobs.Add(); return nil }
	tasks := make([]*pool.Task, burst)
	var failed refusals
	for b.Loop() {
		for i := range tasks {
			tasks[i] = p.Submit(job)
		}
		for _, t := range tasks {
			failed.note(t.Wait(ctx))
		}
	}
	failed.note(timed(b, func() error { return shutDown(p) }))
	if failed.err != nil {
		return failed.err
	}
	return jobs.Check(int64(b.N) * burst)
}

// awaitedPeer submits bursts to another pool and waits for each whole burst.
func awaitedPeer(p peer.Batch) func(*testing.B) error {
	return func(b *testing.B) error {
		jobs := new(meter.Jobs)
		run, finish := p.Start(8, jobs.Add)
		var failed refusals
		for b.Loop() {
			failed.note(run(burst))
		}
		failed.note(timed(b, finish))
		if failed.err != nil {
			return failed.err
		}
		return jobs.Check(int64(b.N) * burst)
	}
}

// backAndForth submits a job and waits for it, one by one.
func backAndForth(b *testing.B) error {
	jobs := new(meter.Jobs)
	p, err := pool.New(8, pool.WithQueue(peer.Queue))
	if err != nil {
		return err
	}
	ctx := context.Background()
	job := func(context.Context) error { jobs.Add(); return nil }
	var failed refusals
	for b.Loop() {
		failed.note(p.Submit(job).Wait(ctx))
	}
	failed.note(shutDown(p))
	if failed.err != nil {
		return failed.err
	}
	return jobs.Check(int64(b.N))
}

// channelBackAndForth hands a value to another goroutine and waits for it to
// come back: the least that anything can cost that is waited for.
func channelBackAndForth(b *testing.B) error {
	jobs := new(meter.Jobs)
	there, back := make(chan bool), make(chan bool)
	var running sync.WaitGroup
	running.Go(func() {
		for v := range there {
			jobs.Add()
			back <- v
		}
	})
	for b.Loop() {
		there <- true
		<-back
	}
	close(there)
	running.Wait()
	return jobs.Check(int64(b.N))
}

const queuedBytes = "B/queued-job"

// queued measures the memory of n jobs that wait in the pool's queue.
func queued(n int, enqueue func(*pool.Pool, pool.Job) error) func(*testing.B) error {
	return func(b *testing.B) error {
		p, err := pool.New(1, pool.WithQueue(n), pool.WithQueueTotal(n))
		if err != nil {
			return err
		}
		jobs := new(meter.Jobs)
		open, busy := make(chan bool), make(chan bool)
		if err := p.Go(func(context.Context) error { close(busy); <-open; return nil }); err != nil {
			return err
		}
		<-busy
		job := func(context.Context) error { jobs.Add(); return nil }
		grown, err := onlyOnce(b, func() (uint64, error) {
			before := heap()
			for range n {
				if err := enqueue(p, job); err != nil {
					return 0, err
				}
			}
			return heap() - before, nil
		})
		close(open)
		if err != nil {
			return err
		}
		b.ReportMetric(float64(grown)/float64(n), queuedBytes)
		if err := shutDown(p); err != nil {
			return err
		}
		return jobs.Check(int64(n))
	}
}

// laneBurst is how many jobs go to one lane before the next one's turn.
const laneBurst = 32

// inLanes submits bursts to n lanes in turn.
func inLanes(n int) func(*testing.B) error {
	return func(b *testing.B) error {
		const room = 1 << 16
		p, err := pool.New(8, pool.WithQueue(room), pool.WithQueueTotal(room))
		if err != nil {
			return err
		}
		keys := make([]pool.JobOption, n)
		for i := range keys {
			keys[i] = pool.Key(fmt.Sprint("lane-", i))
		}
		jobs := new(meter.Jobs)
		job := func(context.Context) error { jobs.Add(); return nil }
		var failed refusals
		i := 0
		for b.Loop() {
			for range laneBurst {
				failed.note(p.Go(job, keys[i]))
			}
			if i++; i == n {
				i = 0
			}
		}
		failed.note(timed(b, func() error { return shutDown(p) }))
		if failed.err != nil {
			return failed.err
		}
		return jobs.Check(int64(b.N) * laneBurst)
	}
}

// submitOne and goOne are the two ways to queue a job, for queued.
func submitOne(p *pool.Pool, job pool.Job) error {
	_, err := p.TrySubmit(job)
	return err
}

func goOne(p *pool.Pool, job pool.Job) error { return p.Go(job) }
