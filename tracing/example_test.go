package tracing_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/tracing"
)

// One line for the source, one for the pool.
func Example() {
	spans := tracetest.NewInMemoryExporter() // a program sends them somewhere
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	tracer, err := tracing.New(tracing.WithTracerProvider(provider))
	if err != nil {
		fmt.Println(err)
		return
	}
	src := tracer.Source(slot.NewLocal(1))
	p, err := pool.New(4, pool.WithSlots(src), pool.WithHooks(tracer.Hooks()))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = p.Submit(func(context.Context) error { return nil }).Wait(context.Background())
	_ = p.Shutdown(context.Background())
	_ = src.Close(context.Background())
	var names []string
	for _, s := range spans.GetSpans() {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	fmt.Println(strings.Join(slices.Compact(names), ", "))
	// Output: job, queue, run, slot acquire, slot hold
}

// A message carries the span of the process that sent it, and the job that
// works on it belongs to the same trace.
func ExampleTracer_Extract() {
	provider := sdktrace.NewTracerProvider()
	tracer, _ := tracing.New(tracing.WithTracerProvider(provider), tracing.WithPropagators(propagation.TraceContext{}))
	message := propagation.MapCarrier{}

	ctx, span := provider.Tracer("sender").Start(context.Background(), "send")
	tracer.Inject(ctx, message)
	span.End()

	p, _ := pool.New(1, pool.WithHooks(tracer.Hooks()))
	task := p.SubmitContext(tracer.Extract(context.Background(), message), func(ctx context.Context) error {
		fmt.Println("same trace:", trace.SpanContextFromContext(ctx).TraceID() == span.SpanContext().TraceID())
		return nil
	})
	_ = task.Wait(context.Background())
	_ = p.Shutdown(context.Background())
	// Output: same trace: true
}

// Metrics say nothing of keys, unless they are mapped to something of which
// there are few.
func ExampleWithKeyAttribute() {
	_, err := tracing.New(tracing.WithKeyAttribute(func(host string) string {
		if host == "example.com" {
			return "our own"
		}
		return "others"
	}))
	fmt.Println(err)
	// Output: <nil>
}
