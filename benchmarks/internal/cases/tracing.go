package cases

import (
	"context"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/berth-go/berth/benchmarks/internal/meter"
	"github.com/berth-go/berth/benchmarks/internal/suite"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/tracing"
)

// tracedJobs runs jobs of 10 µs that nobody waits for one by one, in a
// pool with the options that are returned by with.
func tracedJobs(with func() ([]pool.Option, error)) func(*testing.B) error {
	return func(b *testing.B) error {
		opts, err := with()
		if err != nil {
			return err
		}
		p, err := pool.New(8, opts...)
		if err != nil {
			return err
		}
		jobs := new(meter.Jobs)
		job := func(context.Context) error { spin(10 * time.Microsecond); jobs.Add(); return nil }
		var refused refusals
		for b.Loop() {
			refused.note(p.Go(job))
		}
		refused.note(timed(b, func() error { return shutDown(p) }))
		if refused.err != nil {
			return refused.err
		}
		return jobs.Check(int64(b.N))
	}
}

func noHooks() ([]pool.Option, error) { return nil, nil }

// tracingWith traces jobs with a tracer of the options.
func tracingWith(opts ...tracing.Option) func() ([]pool.Option, error) {
	return func() ([]pool.Option, error) {
		t, err := tracing.New(opts...)
		if err != nil {
			return nil, err
		}
		return []pool.Option{pool.WithHooks(t.Hooks())}, nil
	}
}

func tracingGroup() suite.Group {
	const traced, unset, bare = "berth, tracing on no-op providers", "berth, tracing on global providers that nobody set", "berth, no hooks"
	noop := tracingWith(tracing.WithTracerProvider(tracenoop.NewTracerProvider()), tracing.WithMeterProvider(metricnoop.NewMeterProvider()))
	return suite.Group{
		Name: "Pools, tracing, jobs of 10 µs",
		Area: suite.Pools,
		Time: poolTime,
		Sides: []suite.Side{
			{Name: traced, Ours: true, Run: tracedJobs(noop)},
			{Name: unset, Ours: true, Run: tracedJobs(tracingWith())},
			{Name: bare, Ours: true, Run: tracedJobs(noHooks)},
		},
		Rows: []suite.Row{{
			What: "tracing on no-op providers / no hooks, jobs of 10 µs", Of: suite.Cost(traced, bare, suite.PerJob), Target: suite.AtMost(1.1, "×"),
		}},
	}
}
