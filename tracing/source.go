package tracing

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/slot"
)

var (
	_ slot.Source  = (*source)(nil)
	_ slot.Trier   = (*source)(nil)
	_ slot.Limiter = (*source)(nil)

	_ slot.Partitioner = (*source)(nil)
)

// source counts and times what is claimed from the source inside it.
type source struct {
	t       *Tracer
	inner   slot.Source
	invalid error // why every claim is refused, or nil
	labels  *labelCache

	mu   sync.Mutex         // guards what follows; nothing blocks while it is held
	keys map[string]*keyUse // keys with a claim or a slot
	held map[*hold]struct{} // slots that are held
	seen map[*labels]int64  // labels ever used, with the highest limit of their keys
	done bool               // closed: no slot is watched any more

	watchers sync.WaitGroup // slots whose loss is watched; grows under mu, and not once done
}

// Source returns src with its claims and slots instrumented. It is a
// [slot.Trier] and a [slot.Limiter] as far as src is. In a pool with the hooks
// of the same Tracer the span of a claim belongs to the job that got the slot;
// elsewhere to the span of the context given to Enqueue.
//
// What one slot is depends on where it stands: around [slot.MinHold] a slot is
// held until Release, inside until MinHold gives it back. Close also ends the
// reports of how many slots are held.
//
// A wrong option makes a source that refuses every claim, and slot.Check says so.
func (t *Tracer) Source(src slot.Source, opts ...SourceOption) slot.Source {
	name, err := t.nameSource(opts)
	s := &source{
		t: t, inner: src, invalid: err, labels: t.labelsOf(name),
		keys: make(map[string]*keyUse),
		held: make(map[*hold]struct{}),
		seen: make(map[*labels]int64),
	}
	if t.cfg.keyLabel == nil {
		s.seen[s.labels.plain] = 0
	}
	t.sources.open(s)
	return s
}

// Unwrap returns the source inside.
func (s *source) Unwrap() slot.Source { return s.inner }

// Check returns what is wrong with the source or with the one inside, for
// slot.Check.
func (s *source) Check() error {
	if s.invalid != nil {
		return s.invalid
	}
	return slot.Check(s.inner)
}

// refusal returns why no claim can be made.
func (s *source) refusal() error {
	if s.invalid == nil && s.inner == nil {
		return slot.Check(nil)
	}
	return s.invalid
}

// Limit returns the number of slots of key, if the source inside knows it.
func (s *source) Limit(key string) (int, bool) {
	if l, ok := s.inner.(slot.Limiter); ok {
		return l.Limit(key)
	}
	return 0, false
}

// Partition names the part of the engine that serves key, if the source inside
// knows of parts.
func (s *source) Partition(key string) string {
	if p, ok := s.inner.(slot.Partitioner); ok {
		return p.Partition(key)
	}
	return ""
}

// Enqueue takes a place in the line of key.
func (s *source) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	if err := s.refusal(); err != nil {
		return nil, err
	}
	c := s.claim(ctx, key)
	ctx = c.open(ctx)
	inner, err := s.inner.Enqueue(slot.WithTrace(ctx, c.trace(ctx)), key)
	if err != nil {
		c.fail(ctx, err)
		return nil, err
	}
	return &ticket{claim: c, inner: inner}, nil
}

// Try claims a slot of key if one is free now. One that is not free leaves no
// span: nothing waited.
func (s *source) Try(ctx context.Context, key string) (slot.Slot, bool, error) {
	if err := s.refusal(); err != nil {
		return nil, false, err
	}
	c := s.claim(ctx, key)
	inner, ok, err := slot.Try(slot.WithTrace(ctx, c.trace(ctx)), s.inner, key)
	switch {
	case err != nil:
		c.open(ctx)
		c.fail(ctx, err)
		return nil, false, err
	case !ok:
		c.leave()
		return nil, false, nil
	}
	c.open(ctx)
	return c.grant(inner), true, nil
}

// Close closes the source inside. Slots that are held are counted as lost.
func (s *source) Close(ctx context.Context) error {
	var err error
	if s.inner != nil {
		err = s.inner.Close(ctx)
	}
	s.t.sources.close(s)
	for _, h := range s.finish() {
		h.abandon()
	}
	s.watchers.Wait()
	return err
}

// finish ends the watching of new slots and returns those that are held.
func (s *source) finish() []*hold {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	all := make([]*hold, 0, len(s.held))
	for h := range s.held {
		all = append(all, h)
	}
	return all
}

// claim starts the account of one claim.
func (s *source) claim(ctx context.Context, key string) *claim {
	use := s.use(key)
	use.pending.Add(1)
	return &claim{src: s, use: use, pooled: s.t.inPool(ctx), parent: trace.SpanContextFromContext(ctx), asked: time.Now()}
}
