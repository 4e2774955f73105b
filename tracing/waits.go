package tracing

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/pool"
)

// handOver is how long a worker may take to begin with a job whose slot is
// there. That is part of the acquire; only a longer wait is one for a worker,
// with a span of its own.
const handOver = time.Millisecond

// waits is what an attempt waited for.
//
//	ready ── queue ── asked ── slot acquire ── free ── queue ── start
//
// Invariant: ready ≤ asked ≤ free ≤ start. Without slots asked, free and start
// are one; with a reused slot too, as nobody waited for it.
type waits struct {
	ready time.Time // the attempt could have begun
	asked time.Time // the claim that got its slot was made, or the attempt was ready
	free  time.Time // the slot was there
	start time.Time // the attempt began
}

// waitsOf finds out what an attempt waited for. The claim may be older than the
// job, and the slot too, as a job gets a slot only when that is granted.
func waitsOf(e pool.StartEvent, first bool) waits {
	w := waits{ready: e.Ready, start: e.At}
	if first {
		w.ready = e.Submitted
	}
	if e.Slot == nil || e.Reused {
		w.asked, w.free = w.start, w.start
		return w
	}
	times := timesOf(e)
	w.asked = clip(times.asked, w.ready, w.start)
	w.free = clip(times.confirmed, w.asked, w.start)
	if w.start.Sub(w.free) < handOver {
		w.free = w.start
	}
	return w
}

// queued is how long the attempt waited for a worker.
func (w waits) queued() time.Duration { return w.asked.Sub(w.ready) + w.start.Sub(w.free) }

// timesOf is when the claim of an attempt's slot was made, queued and granted:
// from our source where the slot is ours, else from what the pool knows.
func timesOf(e pool.StartEvent) claimTimes {
	if h, ok := e.Slot.(*hold); ok {
		return h.times
	}
	info := e.Slot.Info()
	return claimTimes{asked: e.Claimed, granted: info.GrantedAt, confirmed: info.ConfirmedAt}
}

func clip(t, from, to time.Time) time.Time {
	if t.Before(from) {
		return from
	}
	if t.After(to) {
		return to
	}
	return t
}

// addEvents notes the steps of a claim on its span. Steps that were taken before
// the job was there are noted at its begin.
func addEvents(s trace.Span, c claimTimes, from, to time.Time) {
	if !s.IsRecording() {
		return
	}
	for _, e := range []struct {
		name string
		at   time.Time
	}{{EventQueued, c.queued}, {EventGranted, c.granted}, {EventConfirmed, c.confirmed}} {
		if !e.at.IsZero() {
			s.AddEvent(e.name, trace.WithTimestamp(clip(e.at, from, to)))
		}
	}
}

var clientKind = trace.WithSpanKind(trace.SpanKindClient)

func keyAttr(key string) attribute.KeyValue { return attribute.String(AttrKey, key) }

func queuedAttr(queued bool) attribute.KeyValue { return attribute.Bool(AttrSlotQueued, queued) }
