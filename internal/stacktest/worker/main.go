// Program worker is a process that tests kill and stop. It claims slots of one
// key and works under them, and writes a line for all that it does:
//
//	begin 17 1763871234567890123    it holds a slot
//	step 17 1763871234617890123     it still works under it
//	end 17 1763871234667890123      the job is done
//	lost 17 1763871234667890123     the slot's context ended before
//
// The first number names the job, the second is the time in Unix nanoseconds.
// It ends when its standard input does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/internal/trace"
	"github.com/berth-go/berth/slot"
)

func main() {
	server := flag.String("server", "", "host:port of the server")
	limit := flag.Int("limit", 1, "slots of the key")
	lease := flag.Duration("lease", 2*time.Second, "lease of a slot")
	jobs := flag.Int("jobs", 2, "jobs at once")
	step := flag.Duration("step", 20*time.Millisecond, "time between two steps of a job")
	steps := flag.Int("steps", 4, "steps of a job")
	file := flag.String("trace", "", "file to write to what the client does; \"\": none")
	node := flag.String("node", "", "name of the process there")
	flag.Parse()
	signal.Ignore(os.Interrupt)
	opts := []dflockd.Option{dflockd.WithServers(*server), dflockd.WithLease(*lease)}
	if *file != "" {
		opts = append(opts, noted(*file, *node))
	}
	if err := run(*limit, *jobs, *step, *steps, opts...); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

var errEnd = errors.New("standard input ended")

// noted has what the client does written to a file.
func noted(file, node string) dflockd.Option {
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
	return trace.ClientOption(trace.NewJournal(out).Of(node)).(dflockd.Option)
}

func run(limit, jobs int, step time.Duration, steps int, opts ...dflockd.Option) error {
	src, err := dflockd.NewSource(slot.Fixed("processes", limit), opts...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel(errEnd)
	}()
	w := &worker{src: src, out: os.Stdout, step: step, steps: steps}
	var running sync.WaitGroup
	for range jobs {
		running.Go(func() { w.work(ctx) })
	}
	running.Wait()
	// It has a second to give everything back. On a busy machine that may be too
	// short, and then it says so.
	if err := src.Close(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
	}
	return nil
}

type worker struct {
	src   slot.Source
	step  time.Duration
	steps int
	last  atomic.Int64 // the number of the last job

	mu  sync.Mutex // guards out: lines are whole
	out io.Writer
}

func (w *worker) say(what string, job int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintln(w.out, what, job, time.Now().UnixNano())
}

// work claims slots and works under them until ctx ends.
func (w *worker) work(ctx context.Context) {
	for ctx.Err() == nil {
		s, err := w.claim(ctx)
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		w.job(s)
		_ = s.Release() // a loss has been said
	}
}

func (w *worker) claim(ctx context.Context) (slot.Slot, error) {
	ticket, err := w.src.Enqueue(ctx, "")
	if err != nil {
		return nil, err
	}
	if s, ok := ticket.Slot(); ok {
		return s, nil
	}
	return ticket.Wait(ctx)
}

// job works under a slot, step by step, for as long as the slot's context lets it.
func (w *worker) job(s slot.Slot) {
	id := w.last.Add(1)
	w.say("begin", id)
	ticker := time.NewTicker(w.step)
	defer ticker.Stop()
	for range w.steps {
		select {
		case <-ticker.C:
		case <-s.Context().Done():
		}
		if s.Context().Err() != nil {
			w.say("lost", id)
			return
		}
		w.say("step", id)
	}
	w.say("end", id)
}
