// Command etcdclaims is the driver, see package driver, that runs jobs under
// mutexes of etcd. etcd's client keeps so much in memory that it would slow down
// the garbage collection of whatever is measured in the same process.
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

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"

	"github.com/berth-go/berth/benchmarks/internal/driver"
	"github.com/berth-go/berth/benchmarks/internal/meter"
)

type options struct {
	addr          string
	workers, keys int
	job           time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "", "where etcd listens")
	flag.IntVar(&o.workers, "workers", 1, "how many claim at once")
	flag.IntVar(&o.keys, "keys", 1, "how many keys they claim")
	flag.DurationVar(&o.job, "job", 0, "how long a job takes")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "etcdclaims:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.addr == "" {
		return errors.New("-addr does not say where etcd listens")
	}
	db, err := clientv3.New(clientv3.Config{Endpoints: []string{o.addr}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer db.Close()
	before, err := revision(db)
	if err != nil {
		return err
	}
	w := &workers{options: o, turns: make(chan bool)}
	for range o.keys {
		w.gates = append(w.gates, meter.NewGate(1))
	}
	for i := range o.workers {
		session, err := concurrency.NewSession(db)
		if err != nil {
			return err
		}
		defer session.Close()
		w.running.Go(func() {
			w.note(w.work(concurrency.NewMutex(session, "job-"+strconv.Itoa(i%o.keys)), w.gates[i%o.keys]))
		})
	}
	return driver.Serve(os.Stdin, os.Stdout, func() { w.turns <- true }, func() (driver.Report, error) {
		r, err := w.finish()
		if err != nil {
			return r, err
		}
		after, err := revision(db)
		// A claim makes a key and giving it back removes it: two revisions.
		r.Counted = (after - before) / 2
		return r, err
	})
}

func revision(db *clientv3.Client) (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := db.Get(ctx, "revision")
	if err != nil {
		return 0, err
	}
	return r.Header.Revision, nil
}

// workers run jobs, each of which takes its turn.
type workers struct {
	options
	turns   chan bool
	gates   []*meter.Gate // by key
	running sync.WaitGroup

	mu  sync.Mutex // guards err
	err error      // the first
}

func (w *workers) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// work runs jobs until there are no more turns. After an error it still takes
// turns, so that the others go on.
func (w *workers) work(m *concurrency.Mutex, gate *meter.Gate) (first error) {
	ctx := context.Background()
	for range w.turns {
		if first != nil {
			continue
		}
		if first = m.Lock(ctx); first != nil {
			continue
		}
		gate.Enter()
		for start := time.Now(); time.Since(start) < w.job; {
		}
		gate.Leave()
		first = m.Unlock(ctx)
	}
	return first
}

// finish waits for all jobs.
func (w *workers) finish() (r driver.Report, err error) {
	close(w.turns)
	w.running.Wait()
	for _, gate := range w.gates {
		r.Ran += gate.Ran()
		r.Most = max(r.Most, gate.Most())
	}
	return r, w.err
}
