package stacktest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// A crew is a machine whose workers are a pool's: somebody submits jobs that
// succeed, fail, panic, leave, ask for another attempt or are cancelled, and
// the ledger says what became of each. With byGo half of them are submitted by
// Go, and a hook tells what became of those.
type crew struct {
	w       *world
	machine string
	byGo    bool
	pool    *pool.Pool
	src     *tried
	ledger  check.Ledger

	mu    sync.Mutex // guards what follows
	tasks map[string]*pool.Task
}

var (
	errJob  = errors.New("the job failed")
	errSoon = errors.New("the job wants to run again")
)

func newCrew(w *world, machine string, src slot.Source, byGo bool, opts ...pool.Option) *crew {
	c := &crew{w: w, machine: machine, byGo: byGo, src: &tried{Source: src}, tasks: map[string]*pool.Task{}}
	if byGo {
		opts = append(opts, pool.WithHooks(pool.Hooks{Finish: c.ended}))
	}
	p, err := pool.New(4, append([]pool.Option{pool.WithSlots(c.src)}, opts...)...)
	require.NoError(w.t, err)
	c.pool = p
	return c
}

// submit hands jobs to the pool until ctx ends.
func (c *crew) submit(ctx context.Context, rng *rand.Rand) {
	for i := 0; ctx.Err() == nil; i++ {
		id := fmt.Sprint(c.machine, "-", i)
		key := fmt.Sprintf("key-%d", rng.IntN(2))
		if c.byGo && rng.IntN(2) == 0 {
			c.fire(id, key, rng)
			rest(ctx, time.Duration(rng.Int64N(int64(time.Second))))
			continue
		}
		t := c.pool.SubmitContext(ctx, c.job(id, key, rand.New(rand.NewPCG(rng.Uint64(), 0))), pool.Key(key), pool.Priority(rng.IntN(3)))
		if errors.Is(t.Err(), pool.ErrClosed) || ctx.Err() != nil && t.State() == pool.StateDone {
			c.refusedOrDropped(id, t)
			continue
		}
		c.ledger.Accepted(id)
		c.mu.Lock()
		c.tasks[id] = t
		c.mu.Unlock()
		if rng.IntN(50) == 0 {
			t.Cancel()
		}
		rest(ctx, time.Duration(rng.Int64N(int64(time.Second))))
	}
}

// fire hands a job to the pool by Go, under its name.
func (c *crew) fire(id, key string, rng *rand.Rand) {
	job := c.job(id, key, rand.New(rand.NewPCG(rng.Uint64(), 0)))
	if err := c.pool.Go(job, pool.Key(key), pool.Name(id), pool.Priority(rng.IntN(3))); err != nil {
		c.ledger.Refused(id)
		return
	}
	c.ledger.Accepted(id)
}

// ended notes what became of a job of Go. One that was refused has no result.
func (c *crew) ended(_ context.Context, e pool.FinishEvent) {
	if e.Name != "" && !errors.Is(e.Err, pool.ErrClosed) {
		c.ledger.Result(e.Name, e.Err)
	}
}

// refusedOrDropped notes a job whose submit raced the end of the test.
func (c *crew) refusedOrDropped(id string, t *pool.Task) {
	if errors.Is(t.Err(), pool.ErrClosed) {
		c.ledger.Refused(id)
		return
	}
	c.ledger.Accepted(id)
	c.ledger.Result(id, t.Err())
}

// job returns a job that holds its slot for a while, or for as long as it has it.
func (c *crew) job(id, key string, rng *rand.Rand) pool.Job {
	hold := time.Duration(rng.Int64N(int64(time.Second)))
	if rng.IntN(20) == 0 {
		hold = time.Duration(rng.Int64N(int64(2 * c.w.lease)))
	}
	again := 0
	if rng.IntN(10) == 0 {
		again = 1 + rng.IntN(2)
	}
	end := rng.IntN(20)
	return func(ctx context.Context) error {
		defer c.ledger.Started(id)()
		info, _ := pool.FromContext(ctx)
		c.w.granted(c.machine, key, info.Slot.ConfirmedAt, info.Slot.Fence)
		defer c.w.rec.Begin(ctx, key, id)()
		rest(ctx, hold)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if again > 0 {
			again--
			c.ledger.Again(id)
			return pool.RetryAfter(time.Duration(rng.Int64N(int64(2*time.Second))), errSoon)
		}
		switch end {
		case 0:
			return errJob
		case 1:
			panic(errJob)
		case 2:
			runtime.Goexit()
		}
		return nil
	}
}

// beat submits a short job of pulse now and then until ctx ends.
func (c *crew) beat(ctx context.Context) {
	for ctx.Err() == nil {
		t := c.pool.SubmitContext(ctx, func(ctx context.Context) error {
			info, _ := pool.FromContext(ctx)
			c.w.granted(c.machine, pulse, info.Slot.ConfirmedAt, info.Slot.Fence)
			defer c.w.rec.Begin(ctx, pulse, c.machine)()
			rest(ctx, 50*time.Millisecond)
			return nil
		}, pool.Key(pulse))
		_ = t.Wait(ctx) // a lost slot is no failure here
		rest(ctx, time.Second)
	}
}

// finish shuts the pool down and balances its books.
func (c *crew) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	begin := time.Now()
	_ = c.pool.Shutdown(ctx) // jobs that are cut off are in the ledger
	require.LessOrEqual(c.w.t, time.Since(begin), 10*time.Second+100*time.Millisecond)
	for id, t := range c.tasks {
		require.Equalf(c.w.t, pool.StateDone, t.State(), "job %s after Shutdown", id)
		c.ledger.Result(id, t.Err())
	}
	require.NoError(c.w.t, c.ledger.Check())
	s := c.pool.Stats()
	require.Equal(c.w.t, s.Submitted, s.Finished)
	require.Zero(c.w.t, s.Held+s.InLine+s.Workers)
	c.src.judge(c.w)
}

// tried is a source that notes the claims that fail.
type tried struct {
	slot.Source

	mu     sync.Mutex // guards failed
	failed map[string][]try
}

// A try is a claim that failed.
type try struct{ begun, failed time.Time }

func (s *tried) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	begun := time.Now()
	t, err := s.Source.Enqueue(ctx, key)
	if err != nil && ctx.Err() == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.failed == nil {
			s.failed = map[string][]try{}
		}
		s.failed[key] = append(s.failed[key], try{begun, time.Now()})
	}
	return t, err
}

// mostTries is how often a second a pool may try a key that fails.
const mostTries = 5

// judge asks that a claim that fails makes no hot loop. Claims that were under
// way already when the first one failed are no further tries.
func (s *tried) judge(w *world) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, failed := range s.failed {
		var again []time.Time
		for i, f := range failed {
			if f.knew(failed[:i]) {
				again = append(again, f.begun)
			}
		}
		slices.SortFunc(again, time.Time.Compare) // they are noted as they fail
		for i := range len(again) - mostTries {
			took := again[i+mostTries].Sub(again[i])
			require.GreaterOrEqualf(w.t, took, time.Second, "failed claims of %q: %v", key, again[i:i+mostTries+1])
		}
	}
}

// knew reports whether one of the earlier tries had failed in the second before
// f was begun. One that failed at the very instant does not count: the pool may
// not have been told yet.
func (f try) knew(earlier []try) bool {
	for _, e := range slices.Backward(earlier) {
		if f.begun.Sub(e.failed) >= time.Second {
			return false
		}
		if e.failed.Before(f.begun) {
			return true
		}
	}
	return false
}
