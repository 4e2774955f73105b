package etcdtest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

func TestGrantsOfSeveralSourcesFollowOneLine(t *testing.T) {
	prefix := newPrefix()
	var mu sync.Mutex
	var claims []check.Claim
	var workers sync.WaitGroup
	for i := range 3 {
		src := newSource(t, connect(t, single), prefix, slot.Fixed("line", 1))
		for j := range 4 {
			workers.Go(func() {
				for k := range 40 {
					c := check.Claim{Key: "line", ID: fmt.Sprint(i, j, k), Sent: time.Now()}
					ticket, err := src.Enqueue(t.Context(), "")
					c.Answered = time.Now()
					if err != nil {
						t.Error(err)
						return
					}
					s, err := ticket.Wait(t.Context())
					c.Granted = time.Now()
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					claims = append(claims, c)
					mu.Unlock()
					_ = s.Release()
				}
			})
		}
	}
	workers.Wait()
	require.Len(t, claims, 3*4*40)
	require.Empty(t, check.OutOfOrder(claims))
}

// A guardian counts the slots whose contexts have not ended when another is granted:
// all that it knows were granted before.
type guardian struct {
	limit int

	mu     sync.Mutex
	held   map[string][]slot.Slot
	grants int
	lost   int
}

func (g *guardian) granted(key string, s slot.Slot) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.grants++
	alive := []slot.Slot{s}
	for _, other := range g.held[key] {
		if other.Context().Err() == nil {
			alive = append(alive, other)
		}
	}
	g.held[key] = alive
	if len(alive) > g.limit {
		return fmt.Errorf("%d slots of %q are held at a limit of %d", len(alive), key, g.limit)
	}
	return nil
}

// BERTH_SWEEP is for how many seconds it goes on.
func TestLimitHoldsUnderAnyFaultOfTheNetwork(t *testing.T) {
	t.Parallel()
	seconds := faultnet.Count(t, "BERTH_SWEEP", 6)
	seed := faultnet.Seed(t)
	n := network(t, single)
	prefix := newPrefix()
	g := &guardian{limit: 2, held: map[string][]slot.Slot{}}
	ctx, stop := g.until(t.Context(), time.Duration(seconds)*time.Second, 100)
	defer stop()
	var tasks sync.WaitGroup
	machines := []string{"a", "b", "c"}
	var sources []*etcd.Source
	for i, machine := range machines {
		src := newSource(t, connect(t, single, over(n, machine)), prefix, slot.Keyed("k:", g.limit), etcd.WithRequestTimeout(time.Second), etcd.WithLogger(discard), etcd.WithLease(2*time.Second))
		sources = append(sources, src)
		for w := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(10*i+w)))
			tasks.Go(func() { g.work(t, ctx, src, random) })
		}
	}
	tasks.Go(func() { breakThings(ctx, n, machines, rand.New(rand.NewPCG(seed, 99))) })
	tasks.Wait()
	for i, src := range sources {
		for range g.limit {
			waitFor(t, "work goes on at "+machines[i], func() bool {
				s, ok, err := src.Try(t.Context(), "x")
				return err == nil && ok && s.Release() == nil
			})
		}
	}
	t.Logf("seed %d: %d slots lost", seed, g.lost)
	counts.Report(t, counts.Of{"seconds": seconds, "grants": g.grants})
}

// until returns a context that ends after d, and once there were as many grants: a
// slow machine takes longer for these.
func (g *guardian) until(ctx context.Context, d time.Duration, grants int) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithTimeout(ctx, max(d, 5*time.Minute))
	end := time.Now().Add(d)
	go func() {
		defer stop()
		for ctx.Err() == nil && (time.Now().Before(end) || g.count() < grants) {
			sleep(ctx, 10*time.Millisecond)
		}
	}()
	return ctx, stop
}

func (g *guardian) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.grants
}

// work claims, holds and releases, or holds until the slot is lost.
func (g *guardian) work(t *testing.T, ctx context.Context, src slot.Source, random *rand.Rand) {
	for ctx.Err() == nil {
		key := string('x' + byte(random.IntN(2)))
		patience, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(4000))*time.Millisecond)
		s, err := claimOnce(patience, src, key)
		cancel()
		if err != nil {
			sleep(ctx, time.Duration(random.IntN(100))*time.Millisecond)
			continue
		}
		if err := g.granted(key, s); err != nil {
			t.Error(err)
		}
		hold := time.Duration(random.IntN(20)) * time.Millisecond
		if random.IntN(50) == 0 {
			hold = 3 * time.Second // longer than a lease
		}
		held, done := context.WithCancel(s.Context())
		stop := context.AfterFunc(ctx, done)
		sleep(held, hold)
		stop()
		done()
		if s.Release() != nil {
			g.mu.Lock()
			g.lost++
			g.mu.Unlock()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// breakThings lets one fault follow the other, each on one machine or on all.
func breakThings(ctx context.Context, n *faultnet.Net, machines []string, random *rand.Rand) {
	faults := []faultnet.Conditions{
		{HoldUp: true}, {HoldDown: true}, {HoldUp: true, HoldDown: true}, {Frozen: true}, {Delay: 100 * time.Millisecond}, {Split: true},
	}
	all := append([]string{faultnet.Everybody}, machines...)
	for ctx.Err() == nil {
		sleep(ctx, time.Duration(random.IntN(300))*time.Millisecond)
		machine := all[random.IntN(len(all))]
		if random.IntN(4) == 0 {
			n.Reset(machine)
			continue
		}
		n.Set(machine, faults[random.IntN(len(faults))])
		sleep(ctx, time.Duration(random.IntN(3000))*time.Millisecond)
		if random.IntN(3) == 0 {
			n.Reset(machine) // what was held up is lost
		}
		n.Set(machine, faultnet.Conditions{})
	}
}
