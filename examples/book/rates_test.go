package book

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

func Example_pace() {
	ctx := context.Background()
	src, stop := lockServer(slot.Keyed("api:", 5))
	defer stop()
	// Five at once, and ten starts in a second, over all machines.
	paced := slot.Pace(src, slot.PerSecond(10), 1)
	if err := slot.Check(paced); err != nil {
		fmt.Println(err)
	}

	p, _ := pool.New(8, pool.WithSlots(paced))
	begin := time.Now()
	for range 3 {
		p.Go(func(context.Context) error { return nil }, pool.Key("search"))
	}
	_ = p.Shutdown(ctx)
	fmt.Println("three starts took 0.2 s at least:", time.Since(begin) >= 190*time.Millisecond)
	// Output: three starts took 0.2 s at least: true
}

func Example_politePool() {
	src, stop := lockServer(slot.Keyed("host:", 4))
	defer stop()
	p, err := pool.New(32, pool.WithSlots(src), pool.Use(
		middleware.Retry(middleware.MaxAttempts(5, middleware.Exponential(100*time.Millisecond, 10*time.Second))),
		middleware.PauseKey(src), // inside Retry
		middleware.Timeout(30*time.Second),
	))
	fmt.Println(err)
	_ = p.Shutdown(context.Background())
	// Output: <nil>
}

func Example_rateAlone() {
	src, stop := lockServer(slot.Keyed("api:", 5))
	defer stop()
	// Five starts of a key in any second, over all machines.
	paced := slot.MinHold(src, time.Second)

	fmt.Println(slot.Check(paced))
	// Output: <nil>
}

func Example_pause() {
	ctx := context.Background()
	src, stop := lockServer(slot.Keyed("host:", 4))
	defer stop()
	p, _ := pool.New(2, pool.WithSlots(src))
	task := p.Submit(func(ctx context.Context) error {
		// The site has answered: 429, Retry-After: 30.
		return slot.Pause(ctx, src, "example.com", 30*time.Second)
	}, pool.Key("example.com"))
	fmt.Println(task.Wait(ctx))

	state, _ := slot.Inspect(ctx, src, "example.com")
	fmt.Println("paused:", time.Until(state.PausedUntil) > 20*time.Second)

	err := slot.Pause(ctx, src, "example.com", time.Hour)
	fmt.Println("for an hour, without a slot of it:", errors.Is(err, slot.ErrNotAllowed))
	_ = p.Shutdown(ctx)
	// Output:
	// <nil>
	// paused: true
	// for an hour, without a slot of it: true
}
