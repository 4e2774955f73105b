package tracing

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/slot"
)

var (
	_ slot.Source  = (*source)(nil)
	_ slot.Trier   = (*source)(nil)
	_ slot.Limiter = (*source)(nil)
)

// source counts and times what is claimed from the source inside it.
type source struct {
	t     *Tracer
	inner slot.Source

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
func (t *Tracer) Source(src slot.Source) slot.Source {
	s := &source{
		t: t, inner: src,
		keys: make(map[string]*keyUse),
		held: make(map[*hold]struct{}),
		seen: make(map[*labels]int64),
	}
	if t.cfg.keyLabel == nil {
		s.seen[t.labels.plain] = 0
	}
	t.sources.open(s)
	return s
}

// Unwrap returns the source inside, for slot.Check.
func (s *source) Unwrap() slot.Source { return s.inner }

// Limit returns the number of slots of key, if the source inside knows it.
func (s *source) Limit(key string) (int, bool) {
	if l, ok := s.inner.(slot.Limiter); ok {
		return l.Limit(key)
	}
	return 0, false
}

// Enqueue takes a place in the line of key.
func (s *source) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	if s.inner == nil {
		return nil, slot.Check(nil)
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
	if s.inner == nil {
		return nil, false, slot.Check(nil)
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
	return &claim{src: s, use: use, pooled: inPool(ctx), parent: trace.SpanContextFromContext(ctx), asked: time.Now()}
}

// A ticket is a place in line whose wait is timed.
type ticket struct {
	*claim
	inner slot.Ticket
}

func (t *ticket) Slot() (slot.Slot, bool) {
	inner, ok := t.inner.Slot()
	if !ok {
		return nil, false
	}
	return t.grant(inner), true
}

func (t *ticket) Wait(ctx context.Context) (slot.Slot, error) {
	inner, err := t.inner.Wait(ctx)
	if err != nil {
		t.fail(ctx, err)
		return nil, err
	}
	return t.grant(inner), nil
}

func (t *ticket) Close() error {
	err := t.inner.Close()
	t.leave()
	return err
}

// A claim is the account of one enqueue and wait.
type claim struct {
	src    *source
	use    *keyUse
	pooled bool              // made by a pool with our hooks: the job makes the span
	parent trace.SpanContext // of the caller, where not pooled
	asked  time.Time

	mu      sync.Mutex // guards what follows; of locks only the source's mu is taken under it
	span    trace.Span // where not pooled
	times   claimTimes
	granted *hold // once there is a slot
	settled bool  // no longer pending
}

// claimTimes is when the parts of a claim happened; zero where one did not.
type claimTimes struct {
	asked, queued, granted, confirmed time.Time
}

// open begins the span of a claim that no job will make.
func (c *claim) open(ctx context.Context) context.Context {
	if c.pooled {
		return ctx
	}
	job := Job{Key: c.use.key}
	ctx, span := c.src.t.begin(ctx, SpanAcquire, job, c.asked, clientKind)
	span.SetAttributes(keyAttr(c.use.key))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.span = span
	return ctx
}

// trace collects the claim's times, and passes them on to the trace of a source
// around this one.
func (c *claim) trace(ctx context.Context) *slot.Trace {
	outer := slot.TraceFrom(ctx)
	if outer == nil {
		outer = &slot.Trace{}
	}
	return &slot.Trace{
		Queued: func(at time.Time) {
			c.note(&c.times.queued, at)
			if outer.Queued != nil {
				outer.Queued(at)
			}
		},
		Granted: func(at time.Time) {
			c.note(&c.times.granted, at)
			if outer.Granted != nil {
				outer.Granted(at)
			}
		},
		Confirmed: func(at time.Time) {
			c.note(&c.times.confirmed, at)
			if outer.Confirmed != nil {
				outer.Confirmed(at)
			}
		},
		Renewed: func(took time.Duration, err error) {
			c.renewed(took, err)
			if outer.Renewed != nil {
				outer.Renewed(took, err)
			}
		},
	}
}

// note keeps the first time of being queued and the last of what follows it: a
// slot of slot.All is granted when its last part is.
func (c *claim) note(when *time.Time, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if when == &c.times.queued && !when.IsZero() {
		return
	}
	*when = at
}

func (c *claim) renewed(took time.Duration, err error) {
	ctx := context.Background()
	if h := c.hold(); h != nil {
		ctx = h.context(ctx)
	}
	c.src.t.renewTime.Record(ctx, took.Seconds(), c.use.labels.failed(err)...)
}

func (c *claim) hold() *hold {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.granted
}

// grant ends the claim with a slot.
func (c *claim) grant(inner slot.Slot) *hold {
	c.mu.Lock()
	if c.granted != nil {
		defer c.mu.Unlock()
		return c.granted
	}
	info := inner.Info()
	c.times.asked = c.asked
	c.times.granted, c.times.confirmed = info.GrantedAt, info.ConfirmedAt
	h := &hold{Slot: inner, src: c.src, use: c.use, pooled: c.pooled, queued: info.Queued, times: c.times}
	c.granted = h
	if !c.settleLocked() {
		h.use = c.src.use(c.use.key) // it was left while the slot was on its way
	}
	span := c.span
	c.mu.Unlock()
	if span != nil {
		span.SetAttributes(queuedAttr(info.Queued))
		addEvents(span, h.times, c.asked, h.times.confirmed)
		span.End(trace.WithTimestamp(h.times.confirmed))
	}
	h.open(trace.ContextWithSpanContext(context.Background(), c.parent), span)
	return h
}

// fail ends the claim without a slot.
func (c *claim) fail(ctx context.Context, err error) {
	if !c.settle() {
		return
	}
	if ctx.Err() == context.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded) {
		c.src.t.timeouts.Add(ctx, 1, c.use.labels.add...)
	}
	c.end(err)
	c.src.drop(c.use)
}

// leave ends the claim because nobody wants its slot any more.
func (c *claim) leave() {
	if !c.settle() {
		return
	}
	c.end(nil)
	c.src.drop(c.use)
}

func (c *claim) end(err error) {
	c.mu.Lock()
	span := c.span
	c.mu.Unlock()
	if span != nil {
		fail(span, err)
		span.End()
	}
}

// settle reports whether this call ended the wait.
func (c *claim) settle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settleLocked()
}

func (c *claim) settleLocked() bool {
	if c.settled {
		return false
	}
	c.settled = true
	c.use.pending.Add(-1)
	return true
}
