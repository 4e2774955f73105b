package tracing_test

import (
	"context"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/tracing"
)

// discard drops spans where an exporter would send them.
type discard struct{ sdktrace.SpanProcessor }

func (discard) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (discard) OnEnd(sdktrace.ReadOnlySpan)                     {}

// BenchmarkJob runs jobs of 10 µs each on one worker, a thousand at a time.
func BenchmarkJob(b *testing.B) {
	b.Run("none", func(b *testing.B) { benchmarkJob(b) })
	b.Run("noop", func(b *testing.B) {
		benchmarkJob(b, hooks(b, tracing.WithTracerProvider(tracenoop.NewTracerProvider()),
			tracing.WithMeterProvider(metricnoop.NewMeterProvider())))
	})
	b.Run("global", func(b *testing.B) { benchmarkJob(b, hooks(b)) })
	for name, share := range map[string]float64{"sampled1%": 0.01, "sampled100%": 1} {
		b.Run(name, func(b *testing.B) {
			tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(share))),
				sdktrace.WithSpanProcessor(discard{}))
			mp := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
			benchmarkJob(b, hooks(b, tracing.WithTracerProvider(tp), tracing.WithMeterProvider(mp)))
		})
	}
}

func hooks(b *testing.B, opts ...tracing.Option) pool.Option {
	tracer, err := tracing.New(opts...)
	require.NoError(b, err)
	return pool.WithHooks(tracer.Hooks())
}

func benchmarkJob(b *testing.B, opts ...pool.Option) {
	p, err := pool.New(1, append(opts, pool.WithQueue(1024))...)
	require.NoError(b, err)
	job := func(context.Context) error {
		for begin := time.Now(); time.Since(begin) < 10*time.Microsecond; {
		}
		return nil
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Submit(job)
	}
	require.NoError(b, p.Shutdown(context.Background()))
}
