package tracing

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/slot"
)

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
	if n, ok := t.Ahead(); ok {
		t.say(attribute.Int(AttrSlotAhead, n))
	}
	if err != nil {
		t.fail(ctx, err)
		return nil, err
	}
	return t.grant(inner), nil
}

// Ahead is that of the ticket inside.
func (t *ticket) Ahead() (int, bool) { return slot.Ahead(t.inner) }

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

// say adds to the claim's span, where it has one of its own.
func (c *claim) say(attrs ...attribute.KeyValue) {
	c.mu.Lock()
	span := c.span
	c.mu.Unlock()
	if span != nil {
		span.SetAttributes(attrs...)
	}
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
