package stacktest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/pool"
)

// What the rivals below do: pools that never run out of jobs, of which one has
// more keys than workers, and some of these are wanted by the other one as well.
const (
	rivalKeys   = 10 // of the first pool
	rivalHot    = 5  // of these, that the other pool wants too
	rivalJob    = 200 * time.Millisecond
	rivalWindow = 100 * time.Millisecond // for which a slot serves one job after the other
)

// rivalWait is for how long a key may wait for a start while nothing fails. Only
// one place in line is kept for keys that no worker waits for, so a hot key waits
// for the others before it. Each of them is in line behind the slot's holder and
// at most one more claim, which have it for a job and a window each, and then its
// grant waits for a worker for two jobs at most. A key that is about to be asked
// for when the place is free misses its turn, and waits for one round more.
const rivalWait = 2 * rivalHot * (2*(rivalJob+rivalWindow) + 2*rivalJob)

// A rival is a machine with a pool whose keys always have jobs.
type rival struct {
	w       *world
	machine string
	keys    int
	pool    *pool.Pool

	mu     sync.Mutex // guards starts
	starts map[string][]time.Time
}

func newRival(w *world, machine string, workers, keys int, opts ...pool.Option) *rival {
	r := &rival{w: w, machine: machine, keys: keys, starts: map[string][]time.Time{}}
	p, err := pool.New(workers, append([]pool.Option{pool.WithReuse(rivalWindow)}, opts...)...)
	require.NoError(w.t, err)
	r.pool = p
	return r
}

// keep has two jobs of each key at any time, of which one may run. They are
// submitted by Go, and every fifth asks for a second attempt.
func (r *rival) keep(ctx context.Context) {
	for k := range r.keys {
		for range 2 {
			r.next(ctx, keyName(k), 0)
		}
	}
}

func keyName(k int) string { return fmt.Sprint("key-", k) }

func (r *rival) next(ctx context.Context, key string, n int) {
	_ = r.pool.Go(func(job context.Context) error { // it is refused once the pool shuts down
		r.started(key)
		info, _ := pool.FromContext(job)
		r.w.granted(r.machine, key, info.Slot.ConfirmedAt, info.Slot.Fence)
		defer r.w.rec.Begin(job, key, r.machine)()
		if info.Attempt == 1 && ctx.Err() == nil {
			r.next(ctx, key, n+1)
		}
		rest(job, rivalJob)
		if n%5 == 0 && info.Attempt == 1 {
			return pool.RetryAfter(rivalJob, errSoon)
		}
		return nil
	}, pool.Key(key))
}

func (r *rival) started(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starts[key] = append(r.starts[key], time.Now())
}

// worst returns for how long a key waited for a start at most, between two times.
func (r *rival) worst(key string, from, to time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	worst, last := time.Duration(0), from
	for _, at := range r.starts[key] {
		if at.After(from) && at.Before(to) {
			worst, last = max(worst, at.Sub(last)), at
		}
	}
	return max(worst, to.Sub(last))
}

// TestContendedKeysGetOnAndNoSlotIsIdleInHand has pools contend for keys while
// machines, connections and servers fail. After each fault, once work can go on,
// each key is served again soon; and while nothing fails, hardly any slot is held
// under which no job runs.
func TestContendedKeysGetOnAndNoSlotIsIdleInHand(t *testing.T) {
	seed := faultnet.Seed(t)
	for _, m := range []mode{immediate, strict} {
		t.Run(m.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, m, 1, 5*time.Second)
				defer w.close()
				w.original = seed%2 == 0
				contend(w, faultnet.NewPlan(seed, 5*time.Minute, 10*time.Second, []string{"few", "many"}, faultnet.Kinds()), rand.New(rand.NewPCG(seed, 4)))
				overlaps := check.Overlaps(1, w.rec.Intervals())
				if m == strict {
					require.Empty(t, overlaps)
				} else {
					require.LessOrEqual(t, check.Longest(overlaps), w.overlap())
				}
				w.judgeFences()
			})
		})
	}
}

func contend(w *world, plan faultnet.Plan, rng *rand.Rand) {
	ctx, cancel := context.WithCancelCause(w.t.Context())
	few, many := w.source("few"), w.source("many")
	a := newRival(w, "few", 4, rivalKeys, pool.WithSlots(few))
	b := newRival(w, "many", 16, rivalHot, pool.WithSlots(many))
	defer func() {
		cancel(errOver)
		for _, r := range []*rival{a, b} {
			_ = r.pool.Shutdown(context.Background()) // the errors are those of jobs of Go
			s := r.pool.Stats()
			require.Equal(w.t, s.Submitted, s.Finished)
			require.Zero(w.t, s.Held+s.InLine+s.Workers)
		}
		require.NoError(w.t, few.Close(context.Background()))
		require.NoError(w.t, many.Close(context.Background()))
	}()
	a.keep(ctx)
	b.keep(ctx)
	for _, f := range plan.Faults {
		require.NoError(w.t, f.Run(ctx, w.net, w.restart))
		if rng.IntN(3) == 0 {
			time.Sleep(w.recovery())
			w.calm(a, b, rivalWait, fmt.Sprint("after ", f))
		}
	}
	time.Sleep(w.recovery())
	before := [2]pool.Stats{a.pool.Stats(), b.pool.Stats()}
	w.calm(a, b, 5*time.Minute, "at the end")
	var held, idle time.Duration
	for i, s := range []pool.Stats{a.pool.Stats(), b.pool.Stats()} {
		held += s.HeldTime - before[i].HeldTime
		idle += s.IdleTime - before[i].IdleTime
	}
	w.t.Logf("%d faults; slots held for %v, of which no job ran for %v", len(plan.Faults), held, idle)
	require.GreaterOrEqual(w.t, held, 9*5*time.Minute/2, "the slots of nine keys are wanted without end by workers enough for half of them")
	require.LessOrEqual(w.t, idle, held/20)
}

// calm asks that within a time in which nothing fails no key waits for too long.
func (w *world) calm(a, b *rival, d time.Duration, when string) {
	from := time.Now()
	time.Sleep(d)
	for _, r := range []*rival{a, b} {
		for k := range r.keys {
			require.LessOrEqualf(w.t, r.worst(keyName(k), from, time.Now()), rivalWait, "%s of machine %s, %s", keyName(k), r.machine, when)
		}
	}
}
