package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/berth-go/berth/internal/version"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/tracing"
)

func TestOptionsAreChecked(t *testing.T) {
	for want, opt := range map[string]tracing.Option{
		"WithTracerProvider: the provider is nil":    tracing.WithTracerProvider(nil),
		"WithMeterProvider: the provider is nil":     tracing.WithMeterProvider(nil),
		"WithPropagators: the propagator is nil":     tracing.WithPropagators(nil),
		"WithSpanNameFormatter: the function is nil": tracing.WithSpanNameFormatter(nil),
		"WithFilter: the function is nil":            tracing.WithFilter(nil),
		"WithKeyAttribute: the function is nil":      tracing.WithKeyAttribute(nil),
		"an attribute has no key":                    tracing.WithAttributes(attribute.KeyValue{}),
		"an option is nil":                           nil,
	} {
		_, err := tracing.New(opt)
		require.ErrorContains(t, err, want)
	}
	_, err := tracing.New()
	require.NoError(t, err)
}

func TestScopeIsThePackageWithItsVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range everything(t).spans.Ended() {
			require.Equal(t, tracing.ScopeName, s.InstrumentationScope().Name)
			require.Equal(t, version.String(), s.InstrumentationScope().Version)
		}
	})
}

func TestAttributesAreOnEverySpanAndMetric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine := attribute.String("service", "copier")
		r := everything(t, tracing.WithAttributes(mine))
		for _, s := range r.spans.Ended() {
			require.Contains(t, s.Attributes(), mine, s.Name())
		}
		for name, m := range r.metrics() {
			_, attrs := describe(m)
			require.Contains(t, attrs, "service", name)
		}
	})
}

func TestFormatterNamesTheSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, tracing.WithSpanNameFormatter(func(span string, job tracing.Job) string {
			return fmt.Sprintf("%s %s#%d", span, job.Name, job.Attempt)
		}))
		p := r.newPool(1)
		p.Submit(sleep(time.Second), pool.Name("copy"))
		require.NoError(t, p.Shutdown(context.Background()))
		require.Equal(t, lines(`
		job copy#1 1 0s 1s job.attempts=1 job.name=copy key=
		  queue copy#1 1 0s 0s
		  run copy#1 1 0s 1s job.attempt=1
		`), r.trees())
	})
}

func TestFilteredJobHasNoSpansAndIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, tracing.WithFilter(func(job tracing.Job) bool { return job.Key != "quiet" }))
		p := r.newPool(1)
		attempts := 0
		ctx, caller := r.user("caller")
		p.SubmitContext(ctx, func(ctx context.Context) error {
			require.Equal(t, caller, trace.SpanFromContext(ctx), "its spans belong to the caller's")
			if attempts++; attempts == 1 {
				return pool.RetryAfter(time.Second, errFlaky)
			}
			return nil
		}, pool.Key("quiet"))
		time.Sleep(time.Minute)
		caller.End()
		require.NoError(t, p.Shutdown(context.Background()))
		require.Equal(t, "caller 1 0s 1m0s\n", r.trees())
		require.Equal(t, []string{"1 × 1s"}, r.points(tracing.MetricJobDuration))
		require.Equal(t, []string{"1"}, r.points(tracing.MetricJobRetries))
		require.Equal(t, []string{"0"}, r.points(tracing.MetricJobQueued))
	})
}

func TestPropagatorsCarryTheSubmittersSpanBetweenProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, tracing.WithPropagators(propagation.TraceContext{}))
		ctx, caller := r.user("caller")
		message := propagation.MapCarrier{}
		r.Inject(ctx, message)
		caller.End()
		require.Contains(t, message, "traceparent")

		p := r.newPool(1)
		p.SubmitContext(r.Extract(context.Background(), message), sleep(0))
		require.NoError(t, p.Shutdown(context.Background()))
		require.Contains(t, r.trees(), "caller 1 0s 0s\n  job 1")
	})
}

func TestJobMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1)
		p.Submit(sleep(time.Second))
		failing := p.Submit(func(context.Context) error { time.Sleep(2 * time.Second); panic("ouch") })
		dropped := p.Submit(sleep(time.Hour))
		synctest.Wait()
		require.Equal(t, []string{"2"}, r.points(tracing.MetricJobQueued))
		dropped.Cancel()
		require.Equal(t, []string{"1"}, r.points(tracing.MetricJobQueued))
		require.Error(t, failing.Wait(context.Background()))
		require.Equal(t, []string{"0"}, r.points(tracing.MetricJobQueued))
		require.Equal(t, []string{"1 × 1s", "error.type=cancelled 1 × 0s", "error.type=panic 1 × 3s"}, r.points(tracing.MetricJobDuration))
		require.Equal(t, []string{"2 × 1s"}, r.points(tracing.MetricJobQueueTime))
		require.NoError(t, p.Shutdown(context.Background()))
	})
}

func TestRefusedJobLeavesNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		p := r.newPool(1, pool.WithQueue(1), pool.WithQueueTotal(1))
		p.Submit(sleep(time.Second))
		synctest.Wait()
		p.Submit(sleep(time.Second))
		_, err := p.TrySubmit(sleep(0))
		require.ErrorIs(t, err, pool.ErrQueueFull)
		require.Equal(t, []string{"1"}, r.points(tracing.MetricJobQueued))
		require.NoError(t, p.Shutdown(context.Background()))
		require.ErrorIs(t, p.Submit(sleep(0)).Err(), pool.ErrClosed)
		require.Equal(t, 2, strings.Count(r.trees(), "job "), r.trees())
		require.Equal(t, []string{"0"}, r.points(tracing.MetricJobQueued))
		require.Equal(t, []string{"2 × 3s"}, r.points(tracing.MetricJobDuration))
	})
}

func TestSlotIsUsedWhileAJobRunsUnderItAndElseIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t)
		src := slot.NewLocalKeyed(1)
		other, _, err := slot.Try(context.Background(), src, "b")
		require.NoError(t, err)
		p := r.newPool(1, pool.WithSlots(r.Source(src)), pool.WithReuse(time.Hour))
		p.Submit(sleep(time.Second), pool.Key("b"))
		synctest.Wait()
		p.Submit(sleep(time.Minute), pool.Key("a"))
		synctest.Wait()
		require.Equal(t, []string{"state=idle 0", "state=used 1"}, r.points(tracing.MetricSlotCount))
		require.NoError(t, other.Release())
		synctest.Wait()
		require.Equal(t, []string{"state=idle 1", "state=used 1"}, r.points(tracing.MetricSlotCount), "the worker is busy")
		require.NoError(t, p.Shutdown(context.Background()))
		require.Equal(t, []string{"state=idle 0", "state=used 0"}, r.points(tracing.MetricSlotCount))
	})
}

// Exemplars lead from a series to a span of the job that was measured.
func TestMeasurementsAreMadeWithTheirSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := everything(t)
		names := make(map[trace.SpanID]string)
		for _, s := range r.spans.Ended() {
			names[s.SpanContext().SpanID()] = s.Name()
		}
		for metric, want := range map[string]string{
			tracing.MetricJobDuration:       tracing.SpanJob,
			tracing.MetricJobQueueTime:      tracing.SpanJob,
			tracing.MetricSlotWaitTime:      tracing.SpanJob,
			tracing.MetricSlotUseTime:       tracing.SpanHold,
			tracing.MetricSlotRenewDuration: "",
		} {
			data := r.metrics()[metric].Data.(metricdata.Histogram[float64])
			found := make(map[string]bool)
			for _, p := range data.DataPoints {
				for _, e := range p.Exemplars {
					require.Len(t, e.SpanID, 8)
					found[names[trace.SpanID(e.SpanID)]] = true
				}
			}
			if want != "" {
				require.True(t, found[want], "%s has exemplars of %v", metric, found)
			}
		}
	})
}

// What the sampler drops is not built, and the job's context says so.
func TestUnsampledJobMakesNoSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		sampler := countingSampler{asked: &asked}
		provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler))
		r := record(t, tracing.WithTracerProvider(provider))
		p := r.newPool(1)
		task := p.Submit(func(ctx context.Context) error {
			sc := trace.SpanContextFromContext(ctx)
			require.True(t, sc.IsValid())
			require.False(t, sc.IsSampled())
			return nil
		})
		require.NoError(t, task.Wait(context.Background()))
		require.NoError(t, p.Shutdown(context.Background()))
		require.EqualValues(t, 1, asked.Load(), "the sampler is asked about the job alone")
		require.Equal(t, []string{"1 × 0s"}, r.points(tracing.MetricJobDuration))
	})
}

type countingSampler struct{ asked *atomic.Int32 }

func (s countingSampler) Description() string { return "never" }

func (s countingSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.asked.Add(1)
	return sdktrace.NeverSample().ShouldSample(p)
}

func TestOnNoopProvidersThereIsNothingToHook(t *testing.T) {
	spans, metrics := tracing.WithTracerProvider(tracenoop.NewTracerProvider()), tracing.WithMeterProvider(metricnoop.NewMeterProvider())
	for name, opts := range map[string][]tracing.Option{"spans": {metrics}, "metrics": {spans}, "nothing": {spans, metrics}} {
		tracer, err := tracing.New(opts...)
		require.NoError(t, err)
		hooks := tracer.Hooks()
		require.Equal(t, name == "nothing", reflect.ValueOf(hooks).IsZero(), name)
	}
}

// The price of a job of which nobody makes spans, in allocations.
func TestHooksWithoutSpansAllocateLittle(t *testing.T) {
	tracer, err := tracing.New(tracing.WithTracerProvider(tracenoop.NewTracerProvider()), tracing.WithMeterProvider(quietMeters{}))
	require.NoError(t, err)
	hooks := tracer.Hooks()
	now := time.Now()
	ctx := context.Background()
	allocs := testing.AllocsPerRun(1000, func() {
		var state any
		e := pool.JobEvent{Key: "a", Attempt: 1, At: now, Submitted: now, Ready: now, State: &state}
		hooks.Submitted(ctx, e)
		inner := hooks.Start(ctx, pool.StartEvent{JobEvent: e})
		hooks.Finish(inner, pool.FinishEvent{JobEvent: e, Running: true})
	})
	require.LessOrEqual(t, allocs, 2.0)
}

// quietMeters is a provider of a kind that the tracer does not know.
type quietMeters struct{ metricnoop.MeterProvider }

func TestWithoutSpansAJobCarriesTheSpanThatItWasSubmittedWith(t *testing.T) {
	tracer, err := tracing.New(tracing.WithTracerProvider(tracenoop.NewTracerProvider()))
	require.NoError(t, err)
	p, err := pool.New(1, pool.WithHooks(tracer.Hooks()))
	require.NoError(t, err)
	mine, span := sdktrace.NewTracerProvider().Tracer("mine").Start(t.Context(), "request")
	defer span.End()
	require.NoError(t, p.SubmitContext(mine, func(ctx context.Context) error {
		if trace.SpanFromContext(ctx) != span {
			return errors.New("another span")
		}
		return nil
	}).Wait(t.Context()))
	require.NoError(t, p.Shutdown(t.Context()))
}

func TestWithoutSpansAJobCostsTwoAllocations(t *testing.T) {
	tracer, err := tracing.New(tracing.WithTracerProvider(tracenoop.NewTracerProvider()), tracing.WithMeterProvider(quietMeters{}))
	require.NoError(t, err)
	p, err := pool.New(1, pool.WithHooks(tracer.Hooks()))
	require.NoError(t, err)
	ran := make(chan struct{})
	job := func(context.Context) error { ran <- struct{}{}; return nil }
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		_ = p.Go(job)
		<-ran
	}), 2.0)
	require.NoError(t, p.Shutdown(t.Context()))
}
