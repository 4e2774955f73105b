package tracing

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/berth-go/berth/pool"
)

// Watch reports what p does with its slots, by the metrics whose names begin with
// "berth.pool.", until stop is called. What several pools have is added up. It does
// not block; stop may be called from anywhere, also twice, and should be once the
// pool is shut down, as the Tracer keeps it until then.
func (t *Tracer) Watch(p *pool.Pool) (stop func(), err error) {
	if p == nil {
		return nil, errors.New("tracing: Watch: the pool is nil")
	}
	return t.pools.watch(p), nil
}

// A poolSet observes the pools of one Tracer that are watched.
type poolSet struct {
	labels      *labels
	instruments *instruments
	observation observation

	mu    sync.Mutex // guards what follows; of locks only those of pools are taken under it
	pools map[*watched]struct{}
	past  poolUse // what only ever grows, of those that are no longer watched
}

// watched is one call of Watch.
type watched struct{ *pool.Pool }

func newPoolSet(m metric.Meter, i *instruments, l *labels) *poolSet {
	ps := &poolSet{labels: l, instruments: i, pools: make(map[*watched]struct{})}
	ps.observation = observation{
		meter: m, observe: ps.observe,
		instruments: []metric.Observable{i.poolSlots, i.poolSlotTime, i.poolClaims, i.poolInLine, i.poolUnused},
	}
	return ps
}

func (ps *poolSet) watch(p *pool.Pool) (stop func()) {
	w := &watched{p}
	ps.mu.Lock()
	ps.pools[w] = struct{}{}
	ps.mu.Unlock()
	ps.observation.update(ps.any)
	return sync.OnceFunc(func() {
		ps.mu.Lock()
		ps.past.grow(w.Stats())
		delete(ps.pools, w)
		ps.mu.Unlock()
		ps.observation.update(ps.any)
	})
}

func (ps *poolSet) any() bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.pools) > 0
}

// poolUse is what is observed.
type poolUse struct {
	held, serving, inLine int
	claims, unused        int64
	heldTime, idleTime    time.Duration
}

// grow adds what only ever grows.
func (u *poolUse) grow(s pool.Stats) {
	u.claims += s.Claims
	u.unused += s.Unneeded
	u.heldTime += s.HeldTime
	u.idleTime += s.IdleTime
}

// add adds all of it.
func (u *poolUse) add(s pool.Stats) {
	u.grow(s)
	u.held += s.Held
	u.serving += s.Serving
	u.inLine += s.InLine
}

func (ps *poolSet) sum() poolUse {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	sum := ps.past
	for w := range ps.pools {
		sum.add(w.Stats())
	}
	return sum
}

func (ps *poolSet) observe(_ context.Context, o metric.Observer) error {
	i, l, u := ps.instruments, ps.labels, ps.sum()
	o.ObserveInt64(i.poolSlots, int64(u.held-u.serving), l.idle...)
	o.ObserveInt64(i.poolSlots, int64(u.serving), l.used...)
	o.ObserveFloat64(i.poolSlotTime, u.idleTime.Seconds(), l.idle...)
	o.ObserveFloat64(i.poolSlotTime, (u.heldTime - u.idleTime).Seconds(), l.used...)
	o.ObserveInt64(i.poolClaims, u.claims, l.all...)
	o.ObserveInt64(i.poolInLine, int64(u.inLine), l.all...)
	o.ObserveInt64(i.poolUnused, u.unused, l.all...)
	return nil
}
