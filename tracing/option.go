package tracing

import (
	"errors"
	"slices"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// An Option changes what [New] builds.
type Option func(*config) error

type config struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
	attrs      []attribute.KeyValue
	spanName   func(span string, job Job) string // nil: the fixed names
	filter     func(Job) bool                    // nil: every job
	keyLabel   func(key string) string           // nil: no key on metrics
}

// newConfig fills in the global providers where none are given.
func newConfig(opts []Option) (*config, error) {
	c := &config{
		tracers:    otel.GetTracerProvider(),
		meters:     otel.GetMeterProvider(),
		propagator: otel.GetTextMapPropagator(),
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("tracing: an option is nil")
		}
		if err := opt(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Job is what options may ask about a job.
type Job struct {
	Name    string // of pool.Name; empty if none was given
	Key     string // the job's lane; for the span of a slot, the slot's key
	Attempt int    // from 1; 0 before the first and for the span of a slot
}

// WithTracerProvider makes spans with tp instead of the global provider. With
// one of package trace/noop a job's context keeps the span that the job was
// submitted with.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return func(c *config) error {
		c.tracers = tp
		return given(tp != nil, "WithTracerProvider: the provider")
	}
}

// WithMeterProvider makes metrics with mp instead of the global provider.
func WithMeterProvider(mp metric.MeterProvider) Option {
	return func(c *config) error {
		c.meters = mp
		return given(mp != nil, "WithMeterProvider: the provider")
	}
}

// WithPropagators makes [Tracer.Inject] and [Tracer.Extract] use p instead of
// the global propagator.
func WithPropagators(p propagation.TextMapPropagator) Option {
	return func(c *config) error {
		c.propagator = p
		return given(p != nil, "WithPropagators: the propagator")
	}
}

// WithAttributes puts attrs on every span and every metric. Choose what has few
// values.
func WithAttributes(attrs ...attribute.KeyValue) Option {
	attrs = slices.Clone(attrs)
	return func(c *config) error {
		c.attrs = append(c.attrs, attrs...)
		for _, a := range attrs {
			if !a.Valid() {
				return errors.New("tracing: WithAttributes: an attribute has no key or no value")
			}
		}
		return nil
	}
}

// WithSpanNameFormatter names the spans. f is given the name that the span has
// without it, one of the Span constants, and is called by many jobs at once.
// Trace stores group spans by name: keep the names few.
func WithSpanNameFormatter(f func(span string, job Job) string) Option {
	return func(c *config) error {
		c.spanName = f
		return given(f != nil, "WithSpanNameFormatter: the function")
	}
}

// WithFilter makes no spans for jobs of which f says false. Metrics count every
// job, so that their sums stay true. f is asked once for each job, when it
// starts, and is called by many jobs at once.
func WithFilter(f func(Job) bool) Option {
	return func(c *config) error {
		c.filter = f
		return given(f != nil, "WithFilter: the function")
	}
}

// WithKeyAttribute puts f(key) on every metric as the attribute "berth.key".
// Without it metrics say nothing of keys, as every value is a time series of its
// own, which is kept for good: f must have few values. It must be quick, always
// return the same value for the same key, and is called by many jobs at once.
func WithKeyAttribute(f func(key string) string) Option {
	return func(c *config) error {
		c.keyLabel = f
		return given(f != nil, "WithKeyAttribute: the function")
	}
}

func given(ok bool, what string) error {
	if !ok {
		return errors.New("tracing: " + what + " is nil")
	}
	return nil
}
