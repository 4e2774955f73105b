package peer

import (
	"context"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/sourcegraph/conc/pool"
)

// A Batch is a way to run a number of jobs and wait for them.
type Batch struct {
	Name string
	// Start returns a function that runs job n times and returns when all have
	// run, and one that ends the pool.
	Start func(workers int, job func()) (run func(n int) error, finish func() error)
}

// Batches are the peers, in the order of the tables.
var Batches = []Batch{
	{"conc, context and errors", startConcBatch},
	{"pond, Submit and Wait", startPondBatch},
	{"buffered channel and WaitGroup", startChannelBatch},
}

func startConcBatch(workers int, job func()) (func(int) error, func() error) {
	withErrors := func(context.Context) error { job(); return nil }
	run := func(n int) error {
		p := pool.New().WithMaxGoroutines(workers).WithContext(context.Background())
		for range n {
			p.Go(withErrors)
		}
		return p.Wait()
	}
	return run, func() error { return nil }
}

func startPondBatch(workers int, job func()) (func(int) error, func() error) {
	p := pond.NewPool(workers, pond.WithQueueSize(Queue))
	run := func(n int) error {
		tasks := make([]pond.Task, n)
		for i := range tasks {
			tasks[i] = p.Submit(job)
		}
		for _, t := range tasks {
			if err := t.Wait(); err != nil {
				return err
			}
		}
		return nil
	}
	return run, func() error { p.StopAndWait(); return nil }
}

func startChannelBatch(workers int, job func()) (func(int) error, func() error) {
	var running sync.WaitGroup
	submit, finish := startChannel(workers, func() { job(); running.Done() })
	run := func(n int) error {
		running.Add(n)
		for range n {
			submit()
		}
		running.Wait()
		return nil
	}
	return run, finish
}
