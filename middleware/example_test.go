package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
)

var errBusy = errors.New("server is busy")

// A job that fails is tried again, and holds neither slot nor worker meanwhile.
func ExampleRetry() {
	policy := middleware.MaxAttempts(5, middleware.Exponential(time.Millisecond, 10*time.Millisecond))
	p, err := pool.New(1, pool.Use(middleware.Retry(policy)))
	if err != nil {
		fmt.Println(err)
		return
	}
	task := p.Submit(func(ctx context.Context) error {
		info, _ := pool.FromContext(ctx)
		fmt.Println("attempt", info.Attempt)
		if info.Attempt < 3 {
			return errBusy
		}
		return nil
	})
	fmt.Println(task.Wait(context.Background()))
	_ = p.Shutdown(context.Background())
	// Output:
	// attempt 1
	// attempt 2
	// attempt 3
	// <nil>
}

func ExamplePolicy() {
	// Busy servers are asked again after a second, all else fails at once.
	var policy middleware.Policy = func(attempt int, elapsed time.Duration, err error) (time.Duration, bool) {
		return time.Second, errors.Is(err, errBusy)
	}
	policy = middleware.MaxElapsed(time.Minute, policy)
	fmt.Println(policy(1, 0, errBusy))
	fmt.Println(policy(7, 59*time.Second+1, errBusy))
	fmt.Println(policy(1, 0, errors.New("no such page")))
	// Output:
	// 1s true
	// 0s false
	// 0s false
}

func ExamplePermanent() {
	job := func(context.Context) error {
		return middleware.Permanent(errors.New("no such page"))
	}
	p, _ := pool.New(1, pool.Use(middleware.Retry(middleware.Exponential(time.Second, time.Minute))))
	fmt.Println(p.Submit(job).Wait(context.Background()))
	_ = p.Shutdown(context.Background())
	// Output: no such page
}

func ExampleParseRetryAfter() {
	now := time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	fmt.Println(middleware.ParseRetryAfter("120", now))
	fmt.Println(middleware.ParseRetryAfter("Mon, 23 Nov 2026 12:00:30 GMT", now))
	fmt.Println(middleware.ParseRetryAfter("soon", now))
	// Output:
	// 2m0s true
	// 30s true
	// 0s false
}

func ExampleNewBudget() {
	budget := middleware.NewBudget(10, 0.1)
	retry := middleware.Retry(middleware.Constant(0), middleware.WithBudget(budget))
	p, _ := pool.New(1, pool.Use(retry))
	attempts := 0
	_ = p.Submit(func(context.Context) error { attempts++; return errBusy }).Wait(context.Background())
	fmt.Println("the server is down, and was asked", attempts, "times")
	_ = p.Shutdown(context.Background())
	// Output: the server is down, and was asked 5 times
}

func ExampleTimeout() {
	p, _ := pool.New(1, pool.Use(middleware.Timeout(time.Millisecond)))
	err := p.Submit(func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}).Wait(context.Background())
	fmt.Println(err, errors.Is(err, context.DeadlineExceeded))
	_ = p.Shutdown(context.Background())
	// Output: middleware: the attempt timed out after 1ms true
}

// The breaker opens after two failures in a row. The job fails twice and would
// succeed the third time.
func ExampleCircuitBreaker() {
	run := func(order func(retry, guard pool.Middleware) pool.Option) error {
		retry := middleware.Retry(middleware.MaxAttempts(4, middleware.Constant(0)))
		guard := middleware.CircuitBreaker(&healing{breaker: breaker{threshold: 2}})
		p, _ := pool.New(1, order(retry, guard))
		defer p.Shutdown(context.Background())
		return p.Submit(func(ctx context.Context) error {
			if info, _ := pool.FromContext(ctx); info.Attempt <= 2 {
				return errBusy
			}
			return nil
		}).Wait(context.Background())
	}
	// Inside Retry: the breaker's refusal is retried, until it lets the job through.
	fmt.Println("right:", run(func(retry, guard pool.Middleware) pool.Option { return pool.Use(retry, guard) }))
	// Outside Retry: each retry that the job asked for was one more failure, and
	// the refusal is the job's end.
	fmt.Println("wrong:", run(func(retry, guard pool.Middleware) pool.Option { return pool.Use(guard, retry) }))
	// Output:
	// right: <nil>
	// wrong: middleware: circuit breaker: breaker is open
}

// healing is a breaker that closes again after it has refused once.
type healing struct{ breaker }

func (h *healing) Allow() (func(error), error) {
	done, err := h.breaker.Allow()
	if err != nil {
		h.outcomes = nil
	}
	return done, err
}

// any rate.Limiter of golang.org/x/time will do.
type everyMillisecond struct{ ticks *time.Ticker }

func (l everyMillisecond) Wait(ctx context.Context) error {
	select {
	case <-l.ticks.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func ExampleRateLimit() {
	limiter := everyMillisecond{time.NewTicker(time.Millisecond)}
	p, _ := pool.New(4, pool.Use(middleware.RateLimit(limiter)))
	begin := time.Now()
	for range 5 {
		p.Go(func(context.Context) error { return nil })
	}
	_ = p.Shutdown(context.Background())
	fmt.Println("took 4 ms at least:", time.Since(begin) >= 4*time.Millisecond)
	// Output: took 4 ms at least: true
}

func ExampleLog() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTimes}))
	p, _ := pool.New(1, pool.Use(
		middleware.Log(logger),
		middleware.Retry(middleware.MaxAttempts(2, middleware.Constant(0))),
	))
	_ = p.Submit(func(context.Context) error { return errBusy }, pool.Name("fetch"), pool.Key("example.com")).Wait(context.Background())
	_ = p.Shutdown(context.Background())
	// Output:
	// level=WARN msg="job will be retried" job=fetch key=example.com attempt=1 slot_reused=false retry_in=0s error="server is busy"
	// level=ERROR msg="job failed" job=fetch key=example.com attempt=2 slot_reused=false error="server is busy"
}

func withoutTimes(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == "took" {
		return slog.Attr{}
	}
	return a
}
