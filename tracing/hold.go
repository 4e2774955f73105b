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

var (
	_ slot.Slot      = (*hold)(nil)
	_ slot.Abandoner = (*hold)(nil)
)

// A hold is a slot from its grant until it was released or lost, and the account
// of it. The span of a pool's slot begins with the first job that runs under it,
// since only then is it known whose child it is; its time begins at the grant.
type hold struct {
	slot.Slot
	src    *source
	use    *keyUse
	pooled bool
	queued bool // the claim waited in line
	times  claimTimes

	begun sync.Once
	span  trace.Span // written inside begun

	mu    sync.Mutex  // guards what follows; of locks only the source's mu is taken under it
	watch func() bool // ends the watch for the loss; false if that has begun; nil without one
	runs  int         // jobs that were run under it
	users int         // jobs that run under it now
	shown trace.Span  // span, once it has begun
	ended bool
}

// open begins to count the slot and to watch for its loss. Outside a pool its
// span begins too, as a child of the caller's.
func (h *hold) open(parent context.Context, acquire trace.Span) {
	if h.pooled {
		h.use.idle.Add(1)
	} else {
		h.use.used.Add(1)
		h.begin(parent)
		h.recordWait(trace.ContextWithSpan(context.Background(), acquire))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.src.keep(h) {
		return
	}
	h.watch = context.AfterFunc(h.Slot.Context(), func() {
		defer h.src.watchers.Done()
		h.end(h.isLost())
	})
}

func (h *hold) isLost() bool { return errors.Is(context.Cause(h.Slot.Context()), slot.ErrLost) }

// unwatch ends the watch for the loss, unless it has begun to act.
func (h *hold) unwatch() {
	h.mu.Lock()
	watch := h.watch
	h.mu.Unlock()
	if watch != nil && watch() {
		h.src.watchers.Done()
	}
}

// begin begins the span at the grant, if it has not begun, and returns it.
// Formatters and samplers are called without mu.
func (h *hold) begin(ctx context.Context) trace.Span {
	h.begun.Do(func() {
		h.span = noSpan // also if one of those calls runtime.Goexit
		job := Job{Key: h.use.key}
		_, h.span = h.src.t.begin(ctx, SpanHold, job, h.times.granted)
		if h.span.IsRecording() {
			h.span.SetAttributes(keyAttr(h.use.key), queuedAttr(h.queued))
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.shown = h.span
	})
	return h.span
}

func (h *hold) recordWait(ctx context.Context) {
	wait := h.times.confirmed.Sub(h.times.asked)
	h.src.t.slotWait.Record(ctx, wait.Seconds(), h.use.labels.record...)
}

// Abandon leaves the slot to its lease, where it has one. It is held until its
// context ends.
func (h *hold) Abandon() {
	if a, ok := h.Slot.(slot.Abandoner); ok {
		a.Abandon()
	}
}

// Unwrap returns the slot inside.
func (h *hold) Unwrap() slot.Slot { return h.Slot }

// appendHolds appends the slots of t's sources that s is made of.
func (t *Tracer) appendHolds(found []*hold, s slot.Slot) []*hold {
	if h, ok := s.(*hold); ok && h.src.t == t {
		found = append(found, h)
	}
	switch u := s.(type) {
	case interface{ Unwrap() slot.Slot }:
		return t.appendHolds(found, u.Unwrap())
	case interface{ Unwrap() []slot.Slot }:
		for _, part := range u.Unwrap() {
			found = t.appendHolds(found, part)
		}
	}
	return found
}

// enter counts a job that begins to run under the slot, and returns the slot's
// span. ctx has the job's span, the parent of the slot's if alone.
func (h *hold) enter(ctx context.Context, alone bool) trace.Span {
	h.mu.Lock()
	h.runs++
	h.users++
	first := h.runs == 1
	if h.users == 1 && !h.ended && h.pooled {
		h.use.idle.Add(-1)
		h.use.used.Add(1)
	}
	h.mu.Unlock()
	parent := context.Background()
	if alone {
		parent = ctx
	}
	span := h.begin(parent)
	if first && h.pooled {
		h.recordWait(ctx)
	}
	return span
}

// leave counts a job that no longer runs under the slot.
func (h *hold) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users--
	if h.users == 0 && !h.ended && h.pooled {
		h.use.used.Add(-1)
		h.use.idle.Add(1)
	}
}

// context is ctx with the slot's span, if that has begun, for exemplars.
func (h *hold) context(ctx context.Context) context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shown == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, h.shown)
}

// Release gives the slot back.
func (h *hold) Release() error {
	h.unwatch()
	err := h.Slot.Release()
	h.end(errors.Is(err, slot.ErrLost))
	return err
}

// abandon ends the account of a slot whose source was closed.
func (h *hold) abandon() {
	h.unwatch()
	h.end(h.isLost())
}

// end ends the account, once: whoever comes first has seen how it ended.
func (h *hold) end(lost bool) {
	now := time.Now()
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		return
	}
	h.ended = true
	if h.users > 0 || !h.pooled {
		h.use.used.Add(-1)
	} else {
		h.use.idle.Add(-1)
	}
	unused := h.pooled && h.runs == 0
	runs := h.runs
	h.mu.Unlock()
	span := h.begin(context.Background())

	ctx := trace.ContextWithSpan(context.Background(), span)
	if unused {
		h.recordWait(ctx)
	}
	h.src.t.slotUse.Record(ctx, now.Sub(h.times.granted).Seconds(), h.use.labels.record...)
	if lost {
		h.src.t.lost.Add(ctx, 1, h.use.labels.add...)
	}
	if span.IsRecording() {
		h.finishSpan(span, now, runs, lost)
	}
	span.End(trace.WithTimestamp(now))
	h.src.forget(h)
}

func (h *hold) finishSpan(span trace.Span, now time.Time, runs int, lost bool) {
	if h.pooled {
		span.SetAttributes(attribute.Int(AttrSlotRuns, runs))
	}
	if lost {
		span.AddEvent(EventLost, trace.WithTimestamp(now))
		fail(span, slot.ErrLost)
	}
}
