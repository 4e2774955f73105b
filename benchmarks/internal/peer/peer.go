// Package peer runs an empty job through other people's worker pools, each in
// the way that its own documentation shows.
package peer

import (
	"context"
	"errors"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// A Pool is a way to run jobs on a number of workers.
type Pool struct {
	Name string
	// Start returns a function that submits job once, for any number of
	// goroutines to call, and one that waits for all jobs and ends the pool.
	Start func(workers int, job func()) (submit func(), finish func() error)
}

// Queue is how many jobs wait in the pools whose queue has a length.
const Queue = 1024

// Pools are the peers, in the order of the tables.
var Pools = []Pool{
	{"buffered channel", startChannel},
	{"pond, Go", startPondGo},
	{"conc", startConc},
	{"conc, context and errors", startConcErrors},
	{"workerpool", startWorkerpool},
	{"ants", startAnts},
	{"errgroup", startErrgroup},
	{"semaphore and goroutine", startSemaphore},
	{"pond, Submit", startPondSubmit},
}

func startChannel(workers int, job func()) (func(), func() error) {
	jobs := make(chan func(), Queue)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for job := range jobs {
				job()
			}
		})
	}
	finish := func() error {
		close(jobs)
		running.Wait()
		return nil
	}
	return func() { jobs <- job }, finish
}

func startConc(workers int, job func()) (func(), func() error) {
	p := pool.New().WithMaxGoroutines(workers)
	return func() { p.Go(job) }, func() error { p.Wait(); return nil }
}

func startConcErrors(workers int, job func()) (func(), func() error) {
	p := pool.New().WithMaxGoroutines(workers).WithContext(context.Background())
	withErrors := func(context.Context) error { job(); return nil }
	return func() { p.Go(withErrors) }, p.Wait
}

// startPondGo submits to pond without asking for the outcome.
func startPondGo(workers int, job func()) (func(), func() error) {
	p := pond.NewPool(workers, pond.WithQueueSize(Queue))
	r := refusals{}
	return func() { r.note(p.Go(job)) }, func() error { p.StopAndWait(); return r.err }
}

func startPondSubmit(workers int, job func()) (func(), func() error) {
	p := pond.NewPool(workers, pond.WithQueueSize(Queue))
	return func() { p.Submit(job) }, func() error { p.StopAndWait(); return nil }
}

func startWorkerpool(workers int, job func()) (func(), func() error) {
	p := workerpool.New(workers)
	return func() { p.Submit(job) }, func() error { p.StopWait(); return nil }
}

func startAnts(workers int, job func()) (func(), func() error) {
	r := refusals{}
	p, err := ants.NewPool(workers)
	if err != nil {
		return func() {}, func() error { return err }
	}
	var running sync.WaitGroup // ants has no way to wait for its jobs
	counted := func() { defer running.Done(); job() }
	submit := func() {
		running.Add(1)
		r.note(p.Submit(counted))
	}
	finish := func() error {
		running.Wait()
		p.Release()
		return r.err
	}
	return submit, finish
}

func startErrgroup(workers int, job func()) (func(), func() error) {
	g, _ := errgroup.WithContext(context.Background())
	g.SetLimit(workers)
	withErrors := func() error { job(); return nil }
	return func() { g.Go(withErrors) }, g.Wait
}

func startSemaphore(workers int, job func()) (func(), func() error) {
	ctx := context.Background()
	s := semaphore.NewWeighted(int64(workers))
	r := refusals{}
	submit := func() {
		if err := s.Acquire(ctx, 1); err != nil {
			r.note(err)
			return
		}
		go func() { defer s.Release(1); job() }()
	}
	finish := func() error { return errors.Join(r.err, s.Acquire(ctx, int64(workers))) }
	return submit, finish
}

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
