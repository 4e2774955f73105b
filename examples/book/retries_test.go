package book

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
)

func Example_retry() {
	p, err := pool.New(8, pool.Use(
		middleware.Retry(middleware.MaxAttempts(5, middleware.Exponential(100*time.Millisecond, 10*time.Second))),
		middleware.Timeout(30*time.Second),
	))
	fmt.Println(err)
	_ = p.Shutdown(context.Background())
	// Output: <nil>
}

func Example_permanent() {
	fetch := func(status int) error {
		switch {
		case status == http.StatusNotFound:
			return middleware.Permanent(errors.New("no such page"))
		case status >= 500:
			return fmt.Errorf("the site answered %d", status)
		}
		return nil
	}
	fmt.Println(fetch(404), fetch(503), fetch(200))
	// Output: no such page the site answered 503 <nil>
}

func Example_retryAfter() {
	busy := func(resp *http.Response) error {
		err := fmt.Errorf("the site answered %s", resp.Status)
		if d, ok := middleware.ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
			err = middleware.WithRetryAfter(err, d)
		}
		return err
	}
	fmt.Println(busy(&http.Response{Status: "503 Service Unavailable", Header: http.Header{"Retry-After": {"2"}}}))
	// Output: the site answered 503 Service Unavailable
}

func Example_notYet() {
	ready := false
	job := func(ctx context.Context) error {
		if !ready {
			ready = true
			return pool.NotYet(20*time.Millisecond, errors.New("the file is not there yet"))
		}
		info, _ := pool.FromContext(ctx)
		fmt.Println("attempt", info.Attempt)
		return nil
	}
	p, _ := pool.New(1, pool.Use(middleware.Retry(middleware.MaxAttempts(1, middleware.Constant(0)))))
	fmt.Println(p.Submit(job).Wait(context.Background()))
	_ = p.Shutdown(context.Background())
	// Output:
	// attempt 1
	// <nil>
}

func Example_chain() {
	const open = 10 * time.Second
	newBreaker := func(host string) pool.Middleware {
		b := gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
			Name:    host,
			Timeout: open,
		})
		return middleware.CircuitBreaker(b, middleware.OpenFor(open))
	}
	policy := middleware.MaxAttempts(5, middleware.Exponential(100*time.Millisecond, 10*time.Second))
	p, err := pool.New(32, pool.Use(
		middleware.Log(slog.Default()),
		middleware.Retry(policy, middleware.WithBudget(middleware.NewBudget(100, 0.1))),
		middleware.PerKey(newBreaker, 1000), // a breaker for each host
		middleware.Timeout(30*time.Second),
	))
	fmt.Println(err)
	_ = p.Shutdown(context.Background())
	// Output: <nil>
}
