package stacktest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// TestEachClaimsLimitHoldsUnderAnyFaultWhileLimitsChange has machines whose limits
// change all the time work through any fault of a strict server, while somebody
// pauses their keys and takes slots back. At no moment do more hold a slot than the
// limit of any of them, everybody gets on, and nothing is left in the end.
func TestEachClaimsLimitHoldsUnderAnyFaultWhileLimitsChange(t *testing.T) {
	simulate(t, func(t *testing.T, seed uint64, s *simulated) {
		rng := rand.New(rand.NewPCG(seed, 5))
		w := newWorld(t, strict, 3, time.Duration(2+rng.IntN(6))*time.Second)
		defer w.close()
		machines := []string{"a", "b", "c"}
		plan := faultnet.NewPlan(seed, s.each, 10*time.Second, machines, faultnet.Kinds())
		done := w.liveWithChanges(plan, machines, rng)
		require.Empty(t, check.Excesses(w.rec.Intervals()))
		w.nothingLeft()
		t.Logf("lease %v, seed %d: %v", w.lease, seed, done)
		require.NotZero(t, done.pauses)
		require.NotZero(t, done.revokes)
		require.NotZero(t, done.revoked, "no slot was lost because it was taken back")
		s.lived(t, plan, w.total())
	})
}

// A meddling is what somebody did beside the faults.
type meddling struct{ pauses, revokes, revoked int }

// liveWithChanges is live for machines whose limits change.
func (w *world) liveWithChanges(plan faultnet.Plan, machines []string, rng *rand.Rand) (done meddling) {
	ctx, cancel := context.WithCancelCause(w.t.Context())
	mine := func() *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }
	var workers sync.WaitGroup
	var revoked atomic.Int64
	for _, machine := range machines {
		src := w.open(machine, changing(mine()))
		defer func() { require.NoError(w.t, src.Close(context.Background())) }()
		workers.Go(func() { w.beat(ctx, src, machine) })
		for i := range 3 {
			mine := mine()
			workers.Go(func() {
				w.work(slot.WithTrace(ctx, countRevoked(&revoked)), src, machine, fmt.Sprint(machine, i), mine)
			})
		}
	}
	admin := w.open("ops", slot.Keyed("", 1), dflockd.WithAuth(adminSecret))
	defer func() { require.NoError(w.t, admin.Close(context.Background())) }()
	meddler := mine()
	workers.Go(func() { w.meddle(ctx, admin, meddler, &done) })
	defer func() {
		cancel(errOver)
		workers.Wait()
		done.revoked = int(revoked.Load())
	}()
	for _, f := range plan.Faults {
		require.NoError(w.t, f.Run(ctx, w.net, w.restart))
	}
	time.Sleep(w.recovery())
	w.fair(machines)
	return done
}

// changing returns limits that differ from claim to claim.
func changing(rng *rand.Rand) slot.Limits {
	var mu sync.Mutex // guards rng
	return slot.LimitBy(func(key string) (string, int, error) {
		mu.Lock()
		defer mu.Unlock()
		return key, 1 + rng.IntN(3), nil
	})
}

// countRevoked counts renewals that were refused because the slot was taken back.
func countRevoked(n *atomic.Int64) *slot.Trace {
	return &slot.Trace{Renewed: func(_ time.Duration, err error) {
		if errors.Is(err, slot.ErrRevoked) {
			n.Add(1)
		}
	}}
}

// meddle pauses keys and takes slots back until ctx ends.
func (w *world) meddle(ctx context.Context, admin *dflockd.Source, rng *rand.Rand, done *meddling) {
	for ctx.Err() == nil {
		rest(ctx, time.Duration(rng.Int64N(int64(10*time.Second))))
		key := fmt.Sprintf("key-%d", rng.IntN(2))
		if rng.IntN(2) == 0 {
			if admin.Pause(ctx, key, time.Duration(rng.IntN(3000))*time.Millisecond) == nil {
				done.pauses++
			}
			continue
		}
		st, err := admin.Inspect(ctx, key)
		if err != nil || len(st.Holders) == 0 {
			continue
		}
		if admin.Revoke(ctx, key, st.Holders[0].ID) == nil { // who holds it for longest will most likely renew it yet
			done.revokes++
		}
	}
}

// nothingLeft asks that all slots are free once leases have ended.
func (w *world) nothingLeft() {
	time.Sleep(w.lease + time.Second)
	w.mu.Lock()
	srv := w.srv
	w.mu.Unlock()
	st := srv.Stats()
	require.Zero(w.t, st.Held+st.Waiting, "%+v", st)
}
