// Command engineclaims is the driver, see package driver, that runs jobs under slots
// of an engine: with berth, or with what else people use there. It is a program of its
// own so that no client library slows down the garbage collection of whatever else is
// measured.
//
//	engineclaims -way etcd -addr 127.0.0.1:2379 -workers 64 -keys 64 -limit 1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/driver"
	"github.com/berth-go/berth/benchmarks/internal/meter"
)

type options struct {
	way, addr            string
	workers, keys, limit int
	job                  time.Duration
	growth               growth
	baton                driver.Baton
	batonKey             string
}

func main() {
	var o options
	flag.StringVar(&o.way, "way", "", "how to claim: "+wayNames())
	flag.StringVar(&o.addr, "addr", "", "where the server listens")
	flag.IntVar(&o.workers, "workers", 1, "how many claim at once")
	flag.IntVar(&o.keys, "keys", 1, "how many keys they claim")
	flag.IntVar(&o.limit, "limit", 1, "slots of each key")
	flag.DurationVar(&o.job, "job", 0, "how long a job takes")
	flag.IntVar(&o.growth.claims, "claims-before", 0, "claims to make and give back before")
	flag.IntVar(&o.growth.held, "keys-held", 0, "other keys to hold slots of meanwhile")
	flag.IntVar(&o.growth.waiting, "waiting", 0, "claims to leave in one line meanwhile")
	flag.StringVar(&o.baton.File, "times", "", "run jobs under one key until a time, and write here when each began and ended")
	flag.StringVar(&o.batonKey, "key", "", "the key of those")
	flag.DurationVar(&o.baton.Sleep, "sleep", 0, "how long each takes")
	flag.Int64Var(&o.baton.Until, "until", 0, "the time, in nanoseconds since 1970")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "engineclaims:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.addr == "" {
		return errors.New("-addr does not say where the server listens")
	}
	open, ok := ways[o.way]
	if !ok {
		return fmt.Errorf("no way %q: there are %s", o.way, wayNames())
	}
	if err := o.growth.check(o.way); err != nil {
		return err
	}
	w, err := open(o)
	if err != nil {
		return err
	}
	if o.baton.File != "" {
		err = o.baton.Run(func(job func()) error { return w.under(context.Background(), 0, o.batonKey, job) })
	} else {
		err = serve(o, w)
	}
	return errors.Join(err, w.close())
}

// serve runs the jobs that standard input asks for.
func serve(o options, w way) error {
	grown, err := o.growth.begin(o)
	if err != nil {
		return err
	}
	defer grown()
	before, err := w.counted()
	if err != nil {
		return err
	}
	f := &fleet{options: o, way: w, turns: make(chan bool)}
	for range o.keys {
		f.gates = append(f.gates, meter.NewGate(o.limit))
	}
	for i := range o.workers {
		f.running.Go(func() { f.note(f.work(i)) })
	}
	return driver.Serve(os.Stdin, os.Stdout, func() { f.turns <- true }, func() (driver.Report, error) {
		r, err := f.finish()
		if err != nil {
			return r, err
		}
		after, err := w.counted()
		r.Counted = after - before
		return r, err
	})
}

// A fleet is workers that run jobs, each of which takes its turn.
type fleet struct {
	options
	way     way
	turns   chan bool
	gates   []*meter.Gate // by key
	running sync.WaitGroup

	mu  sync.Mutex // guards err
	err error      // the first
}

func (f *fleet) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

// work runs jobs until there are no more turns. After an error it still takes
// turns, so that the others go on.
func (f *fleet) work(worker int) (first error) {
	ctx := context.Background()
	gate, key := f.gates[worker%f.keys], keyOf(worker%f.keys)
	job := func() {
		gate.Enter()
		for start := time.Now(); time.Since(start) < f.job; {
		}
		gate.Leave()
	}
	for range f.turns {
		if first == nil {
			first = f.way.under(ctx, worker, key, job)
		}
	}
	return first
}

func keyOf(i int) string { return "job-" + strconv.Itoa(i) }

// finish waits for all jobs.
func (f *fleet) finish() (r driver.Report, err error) {
	close(f.turns)
	f.running.Wait()
	for _, gate := range f.gates {
		r.Ran += gate.Ran()
		r.Most = max(r.Most, gate.Most())
	}
	return r, f.err
}
