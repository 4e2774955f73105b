package tracing

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/berth-go/berth/internal/version"
	"github.com/berth-go/berth/pool"
)

// A Tracer instruments pools and slot sources. It is safe for concurrent use,
// and one may serve many of each.
type Tracer struct {
	cfg    *config
	tracer trace.Tracer
	silent bool // the tracer makes no spans, so that jobs begin none
	off    bool // nor are there metrics: nothing would come of hooks
	*instruments
	labels *labelCache

	mu      sync.Mutex             // guards what follows; nothing blocks while it is held
	named   map[string]*labelCache // of sources, by their names
	numbers int                    // of sources

	sources *sourceSet
	pools   *poolSet
}

// New returns a Tracer that reports to the global OpenTelemetry providers, or to
// those given. It starts nothing and needs no closing.
func New(opts ...Option) (*Tracer, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	t := &Tracer{
		cfg:    cfg,
		tracer: cfg.tracers.Tracer(ScopeName, trace.WithInstrumentationVersion(version.String())),
		labels: newLabelCache(cfg, cfg.attrs),
	}
	t.named = map[string]*labelCache{"": t.labels}
	_, t.silent = cfg.tracers.(tracenoop.TracerProvider)
	_, uncounted := cfg.meters.(metricnoop.MeterProvider)
	t.off = t.silent && uncounted
	meter := cfg.meters.Meter(ScopeName, metric.WithInstrumentationVersion(version.String()))
	if t.instruments, err = newInstruments(meter); err != nil {
		return nil, fmt.Errorf("tracing: the meter provider refused an instrument: %w", err)
	}
	t.sources = newSourceSet(meter, t.instruments)
	t.pools = newPoolSet(meter, t.instruments, t.labels.plain)
	return t, nil
}

// Hooks returns the functions that make the spans and metrics of a pool's jobs,
// for [pool.WithHooks]. There are none, and a pool does without, where both
// providers are those of packages trace/noop and metric/noop.
func (t *Tracer) Hooks() pool.Hooks {
	if t.off {
		return pool.Hooks{}
	}
	return pool.Hooks{
		Submitted: t.submitted,
		Start:     t.start,
		Retry:     t.retry,
		Finish:    t.finish,
		Enqueue:   t.enqueue,
	}
}

// Inject writes the span of ctx into carrier, such as the header of a message,
// for a process that will submit a job for it.
func (t *Tracer) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	t.cfg.propagator.Inject(ctx, carrier)
}

// Extract returns ctx with the span that Inject wrote into carrier. A job that is
// submitted with it belongs to that span's trace:
//
//	p.SubmitContext(tracer.Extract(ctx, carrier), job)
func (t *Tracer) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	return t.cfg.propagator.Extract(ctx, carrier)
}

// begin starts a span at a time of the past or present.
func (t *Tracer) begin(ctx context.Context, span string, job Job, at time.Time, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	name, s := span, noSpan
	if t.cfg.spanName != nil {
		guard("the span name formatter", func() { name = t.cfg.spanName(span, job) })
	}
	guard("a sampler or a span processor", func() {
		ctx, s = t.tracer.Start(ctx, name, append(opts, trace.WithTimestamp(at))...)
	})
	if len(t.cfg.attrs) > 0 {
		s.SetAttributes(t.cfg.attrs...)
	}
	return ctx, s
}

// noSpan records nothing.
var noSpan = trace.SpanFromContext(context.Background())

// guard calls a function of the user's. A panic of it is told to OpenTelemetry's
// error handler and ends nothing else.
func guard(what string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			otel.Handle(fmt.Errorf("tracing: %s panicked: %v", what, r))
		}
	}()
	f()
}

// part makes a span whose begin and end are both known.
func (t *Tracer) part(ctx context.Context, span string, job Job, from, to time.Time, attrs ...attribute.KeyValue) {
	_, s := t.begin(ctx, span, job, from)
	s.SetAttributes(attrs...)
	s.End(trace.WithTimestamp(to))
}
