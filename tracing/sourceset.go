package tracing

import (
	"context"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"
)

// keyUse counts what there is of one key while there is any.
type keyUse struct {
	key     string
	labels  *labels
	pending atomic.Int64 // claims that wait
	idle    atomic.Int64 // slots held, no job running
	used    atomic.Int64 // slots held, a job running
	refs    int          // claims and slots; guarded by the source's mu
}

// use finds or makes the account of key and takes a reference to it.
func (s *source) use(key string) *keyUse {
	if u := s.again(key); u != nil {
		return u
	}
	labels := s.labels.of(key) // asks a function of the user's, and Limit the source
	limit, _ := s.Limit(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.keys[key]
	if u == nil {
		u = &keyUse{key: key, labels: labels}
		s.keys[key] = u
		s.seen[labels] = max(s.seen[labels], int64(limit))
	}
	u.refs++
	return u
}

// again returns the account of key, if there is one, with one reference more.
func (s *source) again(key string) *keyUse {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.keys[key]
	if u != nil {
		u.refs++
	}
	return u
}

// drop gives a reference back.
func (s *source) drop(u *keyUse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked(u)
}

func (s *source) dropLocked(u *keyUse) {
	if u.refs--; u.refs == 0 {
		delete(s.keys, u.key)
	}
}

// keep remembers a slot that is held, and reports whether its loss is to be
// watched. The claim's reference to the key is now the slot's.
func (s *source) keep(h *hold) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[h] = struct{}{}
	if s.done {
		return false
	}
	s.watchers.Add(1)
	return true
}

func (s *source) forget(h *hold) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, h)
	s.dropLocked(h.use)
}

// A sourceSet observes the sources of one Tracer that are open. All are observed
// by one callback, so that what sources with the same attributes hold is added
// up.
type sourceSet struct {
	instruments *instruments
	observation observation

	mu      sync.Mutex // guards sources; never held while the SDK is called, which calls observe
	sources map[*source]struct{}
}

func newSourceSet(m metric.Meter, i *instruments) *sourceSet {
	ss := &sourceSet{instruments: i, sources: make(map[*source]struct{})}
	ss.observation = observation{meter: m, observe: ss.observe, instruments: []metric.Observable{i.pending, i.slotCount, i.slotMax}}
	return ss
}

func (ss *sourceSet) open(s *source) {
	ss.mu.Lock()
	ss.sources[s] = struct{}{}
	ss.mu.Unlock()
	ss.observation.update(ss.any)
}

func (ss *sourceSet) close(s *source) {
	ss.mu.Lock()
	delete(ss.sources, s)
	ss.mu.Unlock()
	ss.observation.update(ss.any)
}

func (ss *sourceSet) any() bool { return len(ss.list()) > 0 }

// counts is what is observed for one set of attributes.
type counts struct{ pending, idle, used, max int64 }

func (ss *sourceSet) observe(_ context.Context, o metric.Observer) error {
	sums := make(map[*labels]counts)
	for _, s := range ss.list() {
		s.addTo(sums)
	}
	i := ss.instruments
	for l, c := range sums {
		o.ObserveInt64(i.pending, c.pending, l.all...)
		o.ObserveInt64(i.slotCount, c.idle, l.idle...)
		o.ObserveInt64(i.slotCount, c.used, l.used...)
		if c.max > 0 {
			o.ObserveInt64(i.slotMax, c.max, l.all...)
		}
	}
	return nil
}

func (ss *sourceSet) list() []*source {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	all := make([]*source, 0, len(ss.sources))
	for s := range ss.sources {
		all = append(all, s)
	}
	return all
}

// addTo adds what the source holds to sums. Labels whose keys are out of use are
// reported as zeros, with their limit.
func (s *source) addTo(sums map[*labels]counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.keys {
		c := sums[u.labels]
		c.pending += u.pending.Load()
		c.idle += u.idle.Load()
		c.used += u.used.Load()
		sums[u.labels] = c
	}
	for l, limit := range s.seen {
		c := sums[l]
		c.max = max(c.max, limit)
		sums[l] = c
	}
}
