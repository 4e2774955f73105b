package book

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/tracing"
)

func Example_stats() {
	src := slot.NewLocalKeyed(1)
	p, _ := pool.New(4, pool.WithSlots(src))
	for range 3 {
		p.Go(func(context.Context) error { return nil }, pool.Key("example.com"))
	}
	_ = p.Wait(context.Background())

	s := p.Stats()
	fmt.Println("accepted:", s.Submitted, "finished:", s.Finished, "failed:", s.Failed)
	fmt.Println("lost their slot:", s.Lost, "retries:", s.Retries)
	fmt.Println("jobs that wait for an engine that is away:", s.Stalled)
	if s.HeldTime > 0 {
		idle := float64(s.IdleTime) / float64(s.HeldTime)
		fmt.Println("of the time for which slots were held, no job ran:", idle < 1)
	}
	_ = p.Shutdown(context.Background())
	// Output:
	// accepted: 3 finished: 3 failed: 0
	// lost their slot: 0 retries: 0
	// jobs that wait for an engine that is away: 0
	// of the time for which slots were held, no job ran: true
}

func Example_hooks() {
	hooks := pool.Hooks{
		Start: func(ctx context.Context, e pool.StartEvent) context.Context {
			if e.At.Sub(e.Ready) > time.Minute {
				fmt.Println(e.Key, "has waited for a minute, for:", e.Waited)
			}
			return ctx
		},
		Finish: func(_ context.Context, e pool.FinishEvent) {
			fmt.Println(e.Key, "attempts:", e.Attempt, "result:", e.Err)
		},
		Lost: func(e pool.SlotEvent) {
			fmt.Println(e.Key, "lost a slot:", e.Err)
		},
	}
	p, _ := pool.New(4, pool.WithHooks(hooks))
	p.Go(func(context.Context) error { return errors.New("no such page") }, pool.Key("example.com"))
	_ = p.Shutdown(context.Background())
	// Output: example.com attempts: 1 result: no such page
}

func Example_tracing() {
	ctx := context.Background()
	traces := sdktrace.NewTracerProvider()  // with an exporter of yours
	metrics := sdkmetric.NewMeterProvider() // with a reader of yours

	tracer, err := tracing.New(tracing.WithTracerProvider(traces), tracing.WithMeterProvider(metrics))
	if err != nil {
		fmt.Println(err)
		return
	}
	src := tracer.Source(slot.NewLocalKeyed(4))
	p, err := pool.New(8, pool.WithSlots(src), pool.WithHooks(tracer.Hooks()))
	if err != nil {
		fmt.Println(err)
		return
	}
	unwatch, err := tracer.Watch(p) // how well the pool uses its slots
	if err != nil {
		fmt.Println(err)
		return
	}
	defer unwatch()

	_ = p.Submit(func(context.Context) error { return nil }, pool.Key("example.com")).Wait(ctx)
	err = errors.Join(p.Shutdown(ctx), src.Close(ctx), traces.Shutdown(ctx), metrics.Shutdown(ctx))
	fmt.Println(err)
	// Output: <nil>
}
