package tracing_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/tracing"
)

// A sampler that panics.
type badSampler struct{ sdktrace.Sampler }

func (badSampler) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult { panic("boom") }

func TestAPanicOfAUsersFunctionEndsNeitherJobNorSlot(t *testing.T) {
	var told []error
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { told = append(told, err) }))
	defer otel.SetErrorHandler(before)
	for name, opt := range map[string]tracing.Option{
		"WithSpanNameFormatter": tracing.WithSpanNameFormatter(func(string, tracing.Job) string { panic("boom") }),
		"WithFilter":            tracing.WithFilter(func(tracing.Job) bool { panic("boom") }),
		"WithKeyAttribute":      tracing.WithKeyAttribute(func(string) string { panic("boom") }),
		"a sampler": tracing.WithTracerProvider(sdktrace.NewTracerProvider(
			sdktrace.WithSampler(badSampler{sdktrace.AlwaysSample()}))),
	} {
		t.Run(name, func(t *testing.T) {
			told = nil
			r := record(t, opt)
			src := r.Source(slot.NewLocal(1))
			p := r.newPool(1, pool.WithSlots(src))
			for range 3 {
				require.NoError(t, p.Submit(func(context.Context) error { return nil }, pool.Key("k")).Wait(t.Context()))
				require.NoError(t, slot.Do(t.Context(), src, "k", func(context.Context) error { return nil }))
			}
			require.NoError(t, p.Shutdown(t.Context()))
			require.Zero(t, p.Stats().HookPanics, "the hooks went on")
			require.NoError(t, src.Close(t.Context()))
			require.NotEmpty(t, told)
			require.ErrorContains(t, told[0], "panicked: boom")
		})
	}
}
