//go:build unix

package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// A real Redis that writes down each command is killed and started again, and stopped for
// longer than a lease. No more than the limit ever hold a slot, and each time work goes on.
// BERTH_REDIS_KICKS is how often.
func TestLimitHoldsWhileARealServerIsKilledAndStopped(t *testing.T) {
	t.Parallel()
	seed := faultnet.Seed(t)
	kicks := faultnet.Count(t, "BERTH_REDIS_KICKS", 2)
	rng := rand.New(rand.NewPCG(seed, 3))
	p := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	w := p.world(t)
	w.lease = 4 * time.Second
	g := &guardian{limit: 2}
	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	var sources []*Source
	for i := range 3 {
		machine := fmt.Sprint("m", i)
		src, err := NewSource(w.client(machine), slot.Fixed("k", g.limit), WithLease(w.lease), WithName(machine), WithDurable())
		require.NoError(t, err)
		sources = append(sources, src)
		for range 2 {
			mine := rand.New(rand.NewPCG(rng.Uint64(), 0))
			workers.Go(func() { g.work(t, ctx, src, mine) })
		}
	}
	did := counts.Of{}
	for i := range kicks {
		g.progress(t)
		if i%2 == 0 {
			p.kill()
			pause(ctx, time.Duration(rng.IntN(2000))*time.Millisecond)
			p.start()
			did["kills"]++
			continue
		}
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
		pause(ctx, time.Duration(rng.Int64N(int64(3*w.lease/2))))
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
		did["stops"]++
	}
	g.progress(t)
	cancel()
	workers.Wait()
	for _, src := range sources {
		_ = src.Close(context.Background()) // which may know no better than that something is held
	}
	did["grants"] = g.count()
	counts.Report(t, did)
}

// A guardian sees each grant.
type guardian struct {
	limit int

	mu     sync.Mutex // guards what follows
	held   []slot.Slot
	grants int
}

// granted notes a grant, and returns an error if more than the limit hold a slot now.
func (g *guardian) granted(s slot.Slot) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.grants++
	alive := []slot.Slot{s}
	for _, other := range g.held {
		if other.Context().Err() == nil {
			alive = append(alive, other)
		}
	}
	g.held = alive
	if len(alive) > g.limit {
		return fmt.Errorf("%d slots are held at a limit of %d", len(alive), g.limit)
	}
	return nil
}

func (g *guardian) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.grants
}

// progress waits until there were more grants.
func (g *guardian) progress(t *testing.T) {
	before := g.count()
	require.Eventually(t, func() bool { return g.count() > before+5 }, time.Minute, 5*time.Millisecond, "work goes on")
}

// work claims, holds and releases, or holds until the slot is lost.
func (g *guardian) work(t *testing.T, ctx context.Context, src *Source, rng *rand.Rand) {
	for ctx.Err() == nil {
		s, err := claimBy(ctx, src, "", time.Duration(rng.IntN(4000))*time.Millisecond, rng.IntN(3))
		if err != nil || s == nil {
			pause(ctx, time.Duration(rng.IntN(100))*time.Millisecond)
			continue
		}
		if err := g.granted(s); err != nil {
			t.Error(err)
		}
		hold := time.Duration(rng.IntN(20)) * time.Millisecond
		if rng.IntN(10) == 0 {
			hold = 3 * time.Second
		}
		held, done := context.WithCancel(s.Context())
		stop := context.AfterFunc(ctx, done)
		pause(held, hold)
		stop()
		done()
		_ = s.Release() // a loss is what the test is about
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
