package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
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

// Of two pools, as two processes have them, one hears that the site is busy, and
// both leave it alone.
func ExamplePauseKey() {
	src := slot.NewLocalKeyed(4) // or a source that other machines share
	var busy atomic.Bool
	busy.Store(true)
	ask := func(context.Context) error {
		if busy.Swap(false) {
			return middleware.WithRetryAfter(errBusy, time.Second) // as the answer says
		}
		return nil
	}
	say := middleware.OnPause(func(key string, d time.Duration, err error) {
		fmt.Println(key, "is paused, for at most a second:", d <= time.Second, err)
	})
	var pools [2]*pool.Pool
	for i := range pools {
		pools[i], _ = pool.New(4, pool.WithSlots(src), pool.Use(
			middleware.Retry(middleware.MaxAttempts(3, middleware.Constant(0))),
			middleware.PauseKey(src, say),
		))
	}
	start := time.Now()
	for range 2 {
		for _, p := range pools {
			fmt.Println(p.Submit(ask, pool.Key("example.com")).Wait(context.Background()), time.Since(start) >= time.Second)
		}
	}
	for _, p := range pools {
		_ = p.Shutdown(context.Background())
	}
	// Output:
	// example.com is paused, for at most a second: true <nil>
	// <nil> true
	// <nil> true
	// <nil> true
	// <nil> true
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
	// Output: pool: the attempt timed out after 1ms true
}

// The breaker opens after two failures in a row. The job fails twice and would
// succeed the third time.
func ExampleCircuitBreaker() {
	run := func(order func(retry, guard pool.Middleware) pool.Option) error {
		retry := middleware.Retry(middleware.MaxAttempts(3, middleware.Constant(0)))
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
	// Inside Retry: a refused job has made no attempt, and comes back until the
	// breaker lets it through.
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

// With gobreaker, which does not say when it lets calls through again, and can leave
// out what is neither success nor failure:
//
//	breaker := gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
//		Timeout:    10 * time.Second,
//		IsExcluded: func(err error) bool { return errors.Is(err, middleware.ErrNeither) },
//	})
//	guard := middleware.CircuitBreaker(breaker, middleware.OpenFor(10*time.Second), middleware.ThreeOutcomes())
func ExampleOpenFor() {
	b := &breaker{threshold: 1}
	p, _ := pool.New(1, pool.Use(
		middleware.Retry(middleware.MaxAttempts(2, middleware.Constant(0))),
		middleware.CircuitBreaker(b, middleware.OpenFor(time.Hour)),
	))
	task := p.Submit(func(context.Context) error { return errBusy })
	for p.Stats().NotYet == 0 { // until its second attempt is refused
		time.Sleep(time.Millisecond)
	}
	fmt.Println(task.State(), "with", p.Stats().Retries, "retry")
	task.Cancel()
	fmt.Println(task.Err())
	_ = p.Shutdown(context.Background())
	// Output:
	// waiting with 1 retry
	// server is busy
	// pool: the task was cancelled
}

// A service that has no such item is well.
func ExampleJudgeBy() {
	errMissing := errors.New("no such item")
	b := &breaker{threshold: 1}
	guard := middleware.CircuitBreaker(b, middleware.JudgeBy(func(ctx context.Context, err error) middleware.Outcome {
		if errors.Is(err, errMissing) {
			return middleware.Success
		}
		return middleware.OutcomeOf(ctx, err)
	}))
	p, _ := pool.New(1, pool.Use(guard))
	for _, err := range []error{errMissing, errBusy, nil} {
		fmt.Println(p.Submit(func(context.Context) error { return err }).Wait(context.Background()))
	}
	_ = p.Shutdown(context.Background())
	// Output:
	// no such item
	// server is busy
	// middleware: circuit breaker: breaker is open
}

// Each host has a breaker of its own, and 1,000 of them are remembered.
func ExamplePerKey() {
	p, _ := pool.New(1, pool.Use(middleware.PerKey(func(host string) pool.Middleware {
		fmt.Println("a breaker for", host)
		return middleware.CircuitBreaker(&breaker{threshold: 1})
	}, 1000)))
	fetch := func(host string, result error) {
		err := p.Submit(func(context.Context) error { return result }, pool.Key(host)).Wait(context.Background())
		fmt.Println(host, err)
	}
	fetch("a.example", errBusy)
	fetch("a.example", nil)
	fetch("b.example", nil)
	_ = p.Shutdown(context.Background())
	// Output:
	// a breaker for a.example
	// a.example server is busy
	// a.example middleware: circuit breaker: breaker is open
	// a breaker for b.example
	// b.example <nil>
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
