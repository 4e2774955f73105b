package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// This file asks the same of every way to have a job run.

// A way is one in which a job is handed to a pool. It returns what waits for it.
type way struct {
	name string
	// bound says that the job belongs to ctx.
	bound bool
	run   func(ctx context.Context, p *pool.Pool, job pool.Job, opts ...pool.JobOption) func() error
}

var ways = []way{
	{"Go", false, func(_ context.Context, p *pool.Pool, job pool.Job, opts ...pool.JobOption) func() error {
		err := p.Go(job, opts...)
		return func() error { return errors.Join(err, p.Wait(context.Background())) }
	}},
	{"GoContext", true, func(ctx context.Context, p *pool.Pool, job pool.Job, opts ...pool.JobOption) func() error {
		finished, err := p.Stats().Finished, p.GoContext(ctx, job, opts...)
		return func() error {
			for err == nil && p.Stats().Finished == finished { // others may run on
				time.Sleep(time.Millisecond)
			}
			synctest.Wait() // the pool knows, too, that nothing is left, if nothing is
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			if other := p.Wait(ended); !errors.Is(other, context.Canceled) {
				err = errors.Join(err, other)
			}
			return errors.Join(err, context.Cause(ctx))
		}
	}},
	{"Submit", false, func(_ context.Context, p *pool.Pool, job pool.Job, opts ...pool.JobOption) func() error {
		t := p.Submit(job, opts...)
		return func() error { return t.Wait(context.Background()) }
	}},
	{"SubmitContext", true, func(ctx context.Context, p *pool.Pool, job pool.Job, opts ...pool.JobOption) func() error {
		t := p.SubmitContext(ctx, job, opts...)
		return func() error { return t.Wait(context.Background()) }
	}},
	{"Call", true, func(ctx context.Context, p *pool.Pool, job pool.Job, opts ...pool.JobOption) func() error {
		r := pool.Call(ctx, p, func(ctx context.Context) (int, error) { return 0, job(ctx) }, opts...)
		return func() error { _, err := r.Wait(context.Background()); return err }
	}},
	{"Group", true, func(ctx context.Context, p *pool.Pool, job pool.Job, opts ...pool.JobOption) func() error {
		g := p.Group(ctx)
		g.Submit(job, opts...)
		return func() error { return g.Wait(context.Background()) }
	}},
	{"Map", true, func(ctx context.Context, p *pool.Pool, job pool.Job, opts ...pool.JobOption) func() error {
		return mapOne(ctx, p, job, forEach(opts)...)
	}},
	{"Map, unordered", true, func(ctx context.Context, p *pool.Pool, job pool.Job, opts ...pool.JobOption) func() error {
		return mapOne(ctx, p, job, forEach(opts, pool.Unordered())...)
	}},
}

// mapOne maps over one item, in a loop of its own.
func mapOne(ctx context.Context, p *pool.Pool, job pool.Job, opts ...pool.MapOption) func() error {
	done := make(chan error, 1)
	go func() {
		var errs []error
		for _, err := range pool.Map(ctx, p, slices.Values([]pool.Job{job}), func(ctx context.Context, job pool.Job) (int, error) {
			return 0, job(ctx)
		}, opts...) {
			errs = append(errs, err)
		}
		done <- errors.Join(errs...)
	}()
	synctest.Wait() // it is submitted
	return func() error { return <-done }
}

// forEach turns the options of a job into those of a Map.
func forEach(opts []pool.JobOption, more ...pool.MapOption) []pool.MapOption {
	for _, opt := range opts {
		more = append(more, opt)
	}
	return more
}

var errOfJob = errors.New("the service said no")

// A check says what is wrong, or nil. It runs in a bubble of its own.
type check struct {
	name  string
	bound bool // only of ways whose jobs belong to a context
	run   func(t *testing.T, w way) error
}

var checks = []check{
	{"each attempt has the job's key", false, func(t *testing.T, w way) error {
		p := start(t, 2, pool.WithSlots(slot.NewLocalKeyed(1)))
		var mu sync.Mutex
		var seen []string
		err := w.run(t.Context(), p, func(ctx context.Context) error {
			info, _ := pool.FromContext(ctx)
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprintf("%d %s %s", info.Attempt, info.Key, info.SlotKey))
			if len(seen) < 3 {
				return pool.RetryAfter(time.Second, errOfJob)
			}
			return nil
		}, pool.Key("a"))()
		if want := []string{"1 a a", "2 a a", "3 a a"}; err != nil || !slices.Equal(seen, want) {
			return fmt.Errorf("attempts %q, error %v", seen, err)
		}
		return nil
	}},
	{"a task that is queued ends with its submitter's context", true, func(t *testing.T, w way) error {
		p := start(t, 1)
		p.Submit(lasts(time.Hour))
		return endsInTime(t, p, w, lasts(time.Second))
	}},
	{"a task that waits for its time ends with its submitter's context", true, func(t *testing.T, w way) error {
		return endsInTime(t, start(t, 1), w, lasts(time.Second), pool.After(time.Hour))
	}},
	{"a task that backs off ends with its submitter's context", true, func(t *testing.T, w way) error {
		return endsInTime(t, start(t, 1), w, func(context.Context) error {
			return pool.RetryAfter(time.Hour, errOfJob)
		})
	}},
	{"a task that waits for a slot ends with its submitter's context", true, func(t *testing.T, w way) error {
		src := slot.NewLocalKeyed(1)
		held, ok, err := src.Try(t.Context(), "a")
		require.NoError(t, err)
		require.True(t, ok)
		defer func() { _ = held.Release() }()
		return endsInTime(t, start(t, 1, pool.WithSlots(src)), w, lasts(time.Second), pool.Key("a"))
	}},
	{"each attempt of a job with a time limit may run for so long, and no wait counts", false, func(t *testing.T, w way) error {
		p := start(t, 1)
		var ran []time.Duration
		err := w.run(t.Context(), p, func(ctx context.Context) error {
			began := time.Now()
			<-ctx.Done()
			if ran = append(ran, time.Since(began)); len(ran) < 3 {
				return pool.RetryAfter(time.Minute, errOfJob)
			}
			return context.Cause(ctx)
		}, pool.TimeLimit(time.Second), pool.After(time.Minute))()
		if want := []time.Duration{time.Second, time.Second, time.Second}; !slices.Equal(ran, want) {
			return fmt.Errorf("attempts ran for %v, error %w", ran, err)
		}
		if !errors.Is(err, pool.ErrTimeLimit) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "after 1s") {
			return fmt.Errorf("it does not say why it ended: %w", err)
		}
		return nil
	}},
	{"a job that ends within its time limit, or succeeds after it, knows nothing of it", false, func(t *testing.T, w way) error {
		p := start(t, 1)
		for _, d := range []time.Duration{time.Second / 2, 2 * time.Second} {
			err := w.run(t.Context(), p, func(context.Context) error { time.Sleep(d); return nil }, pool.TimeLimit(time.Second))()
			if err != nil {
				return fmt.Errorf("a job of %v: %w", d, err)
			}
		}
		err := w.run(t.Context(), p, func(context.Context) error { return errOfJob }, pool.TimeLimit(time.Second))()
		if !errors.Is(err, errOfJob) || errors.Is(err, pool.ErrTimeLimit) {
			return fmt.Errorf("one that fails in time: %w", err)
		}
		return nil
	}},
	{"a job that ignores its time limit is reported after the grace", false, func(t *testing.T, w way) error {
		p := start(t, 1, pool.WithGrace(time.Second))
		wait := w.run(t.Context(), p, func(context.Context) error { time.Sleep(time.Minute); return nil }, pool.TimeLimit(time.Second))
		time.Sleep(2*time.Second - time.Nanosecond)
		synctest.Wait()
		early := p.Stats().Overruns
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if late := p.Stats().Overruns; early != 0 || late != 1 {
			return fmt.Errorf("%d overruns before the grace is over, %d after it", early, late)
		}
		return wait()
	}},
	{"a job whose time limit is none is refused", false, func(t *testing.T, w way) error {
		p := start(t, 1)
		for _, d := range []time.Duration{0, -time.Second} {
			ran := false
			err := w.run(t.Context(), p, func(context.Context) error { ran = true; return nil }, pool.TimeLimit(d))()
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("TimeLimit(%v): give a time above zero", d)) || ran {
				return fmt.Errorf("it ran: %v, error %w", ran, err)
			}
		}
		return nil
	}},
	{"a task that ends gives its room to the next", true, func(t *testing.T, w way) error {
		p := start(t, 1, pool.WithQueue(1))
		p.Submit(lasts(time.Hour))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w.run(ctx, p, lasts(time.Second))
		time.Sleep(1010 * time.Millisecond)
		if _, err := p.TrySubmit(lasts(0)); err != nil {
			return fmt.Errorf("after the end of the one that was queued: %w", err)
		}
		return nil
	}},
}

// endsInTime has a job ended by its submitter's context after a second, and
// wants its result within 10 ms, with the last attempt's error if there was one.
func endsInTime(t *testing.T, p *pool.Pool, w way, job pool.Job, opts ...pool.JobOption) error {
	synctest.Wait()
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the client went away"))
	defer cancel()
	done := make(chan error, 1)
	tried := false
	wait := w.run(ctx, p, func(ctx context.Context) error { tried = true; return job(ctx) }, opts...)
	go func() { done <- wait() }()
	select {
	case err := <-done:
		switch d := time.Since(began); {
		case d < time.Second || d > 1010*time.Millisecond:
			return fmt.Errorf("it ended after %v: %w", d, err)
		case !errors.Is(err, context.Cause(ctx)):
			return fmt.Errorf("it does not say why it ended: %w", err)
		case tried && !errors.Is(err, errOfJob):
			return fmt.Errorf("the last attempt's error is lost: %w", err)
		}
		return nil
	case <-time.After(time.Minute):
		return errors.New("it does not end")
	}
}

func TestWhatHoldsForOneWayToRunAJobHoldsForAll(t *testing.T) {
	for _, c := range checks {
		for _, w := range ways {
			if c.bound && !w.bound {
				continue
			}
			t.Run(c.name+"/"+w.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { require.NoError(t, c.run(t, w)) })
			})
		}
	}
}

// start returns a pool that ends with the test, by force if need be.
func start(t *testing.T, workers int, opts ...pool.Option) *pool.Pool {
	p, err := pool.New(workers, opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_ = p.Shutdown(ctx)
		synctest.Wait()
	})
	return p
}

// lasts is a job that runs for d.
func lasts(d time.Duration) pool.Job {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// promises hold whatever way a job takes.
var promises = []struct {
	name string
	run  func(t *testing.T) error
}{
	{"equal jobs start in the order of their submits, but for as many as there are other workers", func(t *testing.T) error {
		p := start(t, 4)
		var mu sync.Mutex
		var order []int
		var tasks []*pool.Task
		for i := range 256 {
			tasks = append(tasks, p.Submit(func(ctx context.Context) error {
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				return lasts(time.Second)(ctx)
			}))
		}
		for _, task := range tasks {
			require.NoError(t, task.Wait(t.Context()))
		}
		for i, j := range order {
			late := 0
			for _, other := range order[:i] {
				if other > j {
					late++
				}
			}
			if late > 3 {
				return fmt.Errorf("job %d starts after %d later ones", j, late)
			}
		}
		return nil
	}},
	{"a key that others want is served after its place in line and two jobs of the pool", func(t *testing.T) error {
		src := slot.NewLocalKeyed(1)
		p := start(t, 1, pool.WithSlots(src), pool.WithReuse(10*time.Millisecond))
		other := start(t, 2, pool.WithSlots(src), pool.WithReuse(10*time.Millisecond))
		for range 250 {
			require.NoError(t, p.Go(lasts(300*time.Millisecond), pool.Key("a")))
		}
		time.Sleep(100 * time.Millisecond) // b is free while a job of a runs
		for range 250 {
			require.NoError(t, other.Go(lasts(300*time.Millisecond), pool.Key("b")))
		}
		synctest.Wait()
		worst := time.Duration(0)
		for range 20 {
			began := time.Now()
			require.NoError(t, p.Submit(lasts(0), pool.Key("b")).Wait(t.Context()))
			worst = max(worst, time.Since(began))
		}
		// Two jobs until it is in line, two of the other pool before it there, and
		// two until a worker is free.
		if worst > 6*300*time.Millisecond {
			return fmt.Errorf("b waits for up to %v", worst)
		}
		return nil
	}},
	{"a job can hand jobs to its own pool by Go", func(t *testing.T) error {
		p := start(t, 1, pool.WithQueue(2))
		task := p.Submit(func(ctx context.Context) error {
			for range 3 {
				if err := p.GoContext(ctx, lasts(0)); err != nil {
					return err
				}
			}
			return nil
		})
		select {
		case <-task.Done():
			return task.Err()
		case <-time.After(time.Minute):
			return errors.New("it waits for ever")
		}
	}},
	{"a pool that has grown claims as much as one that was made so", func(t *testing.T) error {
		inLine := func(p *pool.Pool) int {
			for i := range 60 {
				require.NoError(t, p.Go(lasts(0), pool.Key(fmt.Sprint(i))))
			}
			time.Sleep(time.Second)
			return p.Stats().InLine
		}
		src := slot.NewLocalKeyed(1)
		for i := range 60 {
			s, _, err := src.Try(t.Context(), fmt.Sprint(i))
			require.NoError(t, err)
			defer func() { _ = s.Release() }()
		}
		grown := start(t, 1, pool.WithSlots(src))
		require.NoError(t, grown.Resize(32))
		if a, b := inLine(grown), inLine(start(t, 32, pool.WithSlots(src))); a < 32 || b < 32 {
			return fmt.Errorf("%d claims in line, and %d", a, b)
		}
		return nil
	}},
	{"a finished task keeps nothing of its job alive", func(t *testing.T) error {
		p := start(t, 1)
		freed, job := watchedJob()
		task := p.Submit(job)
		job = nil
		require.NoError(t, task.Wait(t.Context()))
		defer runtime.KeepAlive(task)
		return isFreed(freed)
	}},
	{"a worker that rests keeps nothing of its last job alive", func(t *testing.T) error {
		for _, opts := range [][]pool.Option{nil, {pool.WithSlots(slot.NewLocal(1))}} {
			p := start(t, 1, opts...)
			freed, job := watchedJob()
			require.NoError(t, p.Go(job))
			job = nil
			require.NoError(t, p.Wait(t.Context()))
			time.Sleep(time.Second)
			if err := isFreed(freed); err != nil {
				return err
			}
		}
		return nil
	}},
	{"all workers run jobs that wait for each other, after many for which few were enough", func(t *testing.T) error {
		for _, workers := range []int{2, 8, 1000} {
			p := start(t, workers)
			for range 20_000 {
				require.NoError(t, p.Go(func(context.Context) error { return nil }))
			}
			var there sync.WaitGroup
			there.Add(workers)
			for range workers {
				require.NoError(t, p.Go(func(context.Context) error {
					there.Done()
					there.Wait() // for ever, if one of them has no worker
					return nil
				}))
			}
			require.NoError(t, p.Wait(t.Context()))
		}
		return nil
	}},
	{"workers that have had nothing to do for long end", func(t *testing.T) error {
		p := start(t, 100)
		for range 100 {
			require.NoError(t, p.Go(lasts(time.Second)))
		}
		time.Sleep(time.Hour)
		if n := p.Stats().Workers; n > 0 {
			return fmt.Errorf("%d workers are there after an hour", n)
		}
		return nil
	}},
}

// watchedJob returns a job, and what tells that nothing holds it any more.
func watchedJob() (freed *atomic.Bool, job pool.Job) {
	freed = new(atomic.Bool) // and no channel: cleanups run in no bubble
	big := new([1 << 16]byte)
	runtime.AddCleanup(big, func(int) { freed.Store(true) }, 0)
	return freed, func(context.Context) error { big[0]++; return nil }
}

func isFreed(freed *atomic.Bool) error {
	for range 100 { // the runtime cleans up at its leisure
		if freed.Load() {
			return nil
		}
		runtime.GC()
		runtime.Gosched()
	}
	return errors.New("what the job captured is still there")
}

func TestAPoolKeepsItsPromisesWhateverWayAJobTakes(t *testing.T) {
	for _, promise := range promises {
		t.Run(promise.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { require.NoError(t, promise.run(t)) })
		})
	}
}
