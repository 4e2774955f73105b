package tracing

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/pool"
)

// A jobTrace is what is known of one job between its first start and its end.
// The pool calls the hooks of one job one after the other, so nothing guards it.
// A job that is queued has none: its context has the submitter's span.
type jobTrace struct {
	span      trace.Span // "job"; nil where the filter said no
	recording bool       // the spans below are made too
	run       trace.Span // of the attempt that runs, where recording
	holds     []*hold    // the slots that it runs under, as far as they are ours
	one       [1]*hold   // holds, where there is one
	ended     time.Time  // of the last attempt
}

// enqueue marks the context of a claim as made by a pool, so that the source
// leaves its span to the job that gets the slot.
func (t *Tracer) enqueue(ctx context.Context, _ pool.SlotEvent) context.Context {
	return context.WithValue(ctx, poolKey{t}, true)
}

type poolKey struct{ t *Tracer }

func (t *Tracer) inPool(ctx context.Context) bool { return ctx.Value(poolKey{t}) != nil }

func (t *Tracer) submitted(ctx context.Context, e pool.JobEvent) {
	t.jobsQueued.Add(ctx, 1, t.labels.of(e.Key).add...)
}

// start makes the spans of all that lies between the last thing known of the job
// and now, and begins that of the attempt.
func (t *Tracer) start(ctx context.Context, e pool.StartEvent) context.Context {
	l := t.labels.of(e.Key)
	t.jobsQueued.Add(ctx, -1, l.add...)
	j, _ := (*e.State).(*jobTrace)
	first := j == nil // not e.Attempt == 1: what was put off has no attempt behind it
	if first {
		ctx, j = t.open(ctx, e.JobEvent)
		*e.State = j
	} else if j.span != nil {
		ctx = trace.ContextWithSpan(ctx, j.span)
	}
	w := waitsOf(e, first)
	t.queueTime.Record(ctx, w.queued().Seconds(), l.record...)
	var room [1]trace.Span
	held := room[:0]
	j.holds = t.appendHolds(j.one[:0], e.Slot)
	for _, h := range j.holds {
		held = append(held, h.enter(ctx, e.SingleUse))
	}
	if !j.recording {
		return ctx
	}
	t.backoff(ctx, j, e.JobEvent, e.Ready)
	t.waits(ctx, e, w)
	return t.run(ctx, j, e, held)
}

// open begins the span of a job at the time when it was submitted.
func (t *Tracer) open(ctx context.Context, e pool.JobEvent) (context.Context, *jobTrace) {
	j := &jobTrace{}
	if t.silent || !t.wants(about(e)) {
		return ctx, j
	}
	ctx, j.span = t.begin(ctx, SpanJob, about(e), e.Submitted)
	j.recording = j.span.IsRecording()
	if j.recording {
		j.span.SetAttributes(keyAttr(e.Key))
		if e.Name != "" {
			j.span.SetAttributes(attribute.String(AttrJobName, e.Name))
		}
	}
	return ctx, j
}

// wants asks the filter, if there is one.
func (t *Tracer) wants(job Job) bool {
	wants := true
	if t.cfg.filter != nil {
		guard("the filter", func() { wants = t.cfg.filter(job) })
	}
	return wants
}

// run begins the span of an attempt, linked both ways with those of its slots.
func (t *Tracer) run(ctx context.Context, j *jobTrace, e pool.StartEvent, held []trace.Span) context.Context {
	var opts []trace.SpanStartOption
	for _, s := range held {
		if s.SpanContext().IsSampled() {
			opts = append(opts, trace.WithLinks(trace.Link{SpanContext: s.SpanContext()}))
		}
	}
	ctx, j.run = t.begin(ctx, SpanRun, about(e.JobEvent), e.At, opts...)
	j.run.SetAttributes(attribute.Int(AttrAttempt, e.Attempt))
	if e.Waited != pool.WaitNone {
		j.run.SetAttributes(attribute.String(AttrWaitedFor, string(e.Waited)))
	}
	if j.run.SpanContext().IsSampled() {
		for _, s := range held {
			s.AddLink(trace.Link{SpanContext: j.run.SpanContext()})
		}
	}
	return ctx
}

// backoff makes the span of the wait between two attempts, if there was one.
func (t *Tracer) backoff(ctx context.Context, j *jobTrace, e pool.JobEvent, until time.Time) {
	if j.ended.IsZero() {
		return
	}
	t.part(ctx, SpanBackoff, about(e), j.ended, until)
}

// waits makes the spans of what an attempt waited for.
func (t *Tracer) waits(ctx context.Context, e pool.StartEvent, w waits) {
	job := about(e.JobEvent)
	if w.asked.After(w.ready) || w.free.Equal(w.start) {
		t.part(ctx, SpanQueue, job, w.ready, w.asked)
	}
	if e.Slot == nil {
		return
	}
	_, s := t.begin(ctx, SpanAcquire, job, w.asked, clientKind)
	info := e.Slot.Info()
	s.SetAttributes(keyAttr(info.Key), attribute.Bool(AttrSlotReused, e.Reused), queuedAttr(info.Queued))
	if !e.Reused {
		addEvents(s, timesOf(e), w.asked, w.free)
		if e.Ahead >= 0 {
			s.SetAttributes(attribute.Int(AttrSlotAhead, e.Ahead))
		}
	}
	s.End(trace.WithTimestamp(w.free))
	if w.start.After(w.free) {
		t.part(ctx, SpanQueue, job, w.free, w.start)
	}
}

// retry ends an attempt that is followed by another, or a run that was none.
func (t *Tracer) retry(ctx context.Context, e pool.RetryEvent) {
	j, _ := (*e.State).(*jobTrace)
	if j == nil {
		return
	}
	l := t.labels.of(e.Key)
	if e.NotYet {
		j.endRun(e.At, nil, false) // nothing has failed
	} else {
		j.endRun(e.At, e.Err, false)
		t.retries.Add(ctx, 1, l.add...)
	}
	t.jobsQueued.Add(ctx, 1, l.add...)
}

// finish ends the job, whatever it was doing.
func (t *Tracer) finish(ctx context.Context, e pool.FinishEvent) {
	l := t.labels.of(e.Key)
	j, _ := (*e.State).(*jobTrace)
	if j == nil {
		if refused(e) {
			t.jobsQueued.Add(ctx, -1, l.add...)
			return
		}
		_, j = t.open(ctx, e.JobEvent)
	}
	if e.Running {
		j.endRun(e.At, e.Err, e.Lost)
	} else {
		t.jobsQueued.Add(ctx, -1, l.add...)
	}
	if j.recording {
		ctx = trace.ContextWithSpan(ctx, j.span) // for the exemplar; not the run's
	}
	t.jobTime.Record(ctx, e.At.Sub(e.Submitted).Seconds(), l.failed(e.Err)...)
	if !j.recording {
		if j.span != nil {
			j.span.End()
		}
		return
	}
	if !e.Running {
		t.dropped(ctx, j, e)
	}
	j.span.SetAttributes(attribute.Int(AttrAttempts, e.Attempt))
	fail(j.span, e.Err)
	j.span.End(trace.WithTimestamp(e.At))
}

// refused reports whether a job was never the pool's: it has no result, and
// nothing is told of it.
func refused(e pool.FinishEvent) bool {
	return errors.Is(e.Err, pool.ErrQueueFull) || errors.Is(e.Err, pool.ErrClosed)
}

// dropped makes the spans of what a job was waiting for when it ended.
func (t *Tracer) dropped(ctx context.Context, j *jobTrace, e pool.FinishEvent) {
	switch {
	case j.ended.IsZero():
		t.part(ctx, SpanQueue, about(e.JobEvent), e.Submitted, e.At)
	case e.Ready.IsZero() || e.Ready.After(e.At):
		t.backoff(ctx, j, e.JobEvent, e.At)
	default:
		t.backoff(ctx, j, e.JobEvent, e.Ready)
		t.part(ctx, SpanQueue, about(e.JobEvent), e.Ready, e.At)
	}
}

// endRun ends an attempt.
func (j *jobTrace) endRun(at time.Time, err error, lost bool) {
	j.ended = at
	for _, h := range j.holds {
		h.leave()
	}
	j.holds = nil
	if j.run == nil {
		return
	}
	if lost {
		j.run.SetAttributes(attribute.Bool(AttrSlotLost, true))
	}
	fail(j.run, err)
	j.run.End(trace.WithTimestamp(at))
	j.run = nil
}

func about(e pool.JobEvent) Job { return Job{Name: e.Name, Key: e.Key, Attempt: e.Attempt} }
