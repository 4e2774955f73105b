package middleware_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// newPool returns a pool that is shut down at the end of the test.
func newPool(t *testing.T, workers int, opts ...pool.Option) *pool.Pool {
	p, err := pool.New(workers, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Shutdown(context.Background())) })
	return p
}

// failing returns a job that fails n times before it succeeds, and its attempts.
func failing(n int32, err error) (pool.Job, *atomic.Int32) {
	attempts := new(atomic.Int32)
	return func(context.Context) error {
		if attempts.Add(1) <= n {
			return err
		}
		return nil
	}, attempts
}

func TestRetryGivesSlotAndWorkerBackWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.WithSlots(slot.NewLocal(1)),
			pool.Use(middleware.Retry(middleware.Constant(time.Hour))))
		begin := time.Now()
		job, attempts := failing(2, errFlaky)
		task := p.Submit(job)
		synctest.Wait()
		require.NoError(t, p.Submit(func(context.Context) error { return nil }).Wait(context.Background()))
		require.Zero(t, time.Since(begin), "nobody sits on the only slot and the only worker")
		require.NoError(t, task.Wait(context.Background()))
		require.EqualValues(t, 3, attempts.Load())
		require.Equal(t, 2*time.Hour, time.Since(begin))
	})
}

func TestPolicyIsToldAttemptElapsedTimeAndError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type asked struct {
			attempt int
			elapsed time.Duration
		}
		var got []asked
		p := newPool(t, 1, pool.Use(middleware.Retry(func(attempt int, elapsed time.Duration, err error) (time.Duration, bool) {
			require.ErrorIs(t, err, errFlaky)
			got = append(got, asked{attempt, elapsed})
			return 3 * time.Second, attempt < 3
		})))
		err := p.Submit(func(context.Context) error {
			time.Sleep(time.Second)
			return errFlaky
		}).Wait(context.Background())
		require.Equal(t, errFlaky, err, "the last attempt's own error")
		require.Equal(t, []asked{{1, 1 * time.Second}, {2, 5 * time.Second}, {3, 9 * time.Second}}, got)
	})
}

func TestServersRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.Use(middleware.Retry(middleware.Constant(time.Second))))
		begin := time.Now()
		job, _ := failing(1, middleware.WithRetryAfter(errFlaky, time.Minute))
		require.NoError(t, p.Submit(job).Wait(context.Background()))
		require.Equal(t, time.Minute+time.Second, time.Since(begin))
	})
}

func TestPermanentErrorIsNotRetried(t *testing.T) {
	p := newPool(t, 1, pool.Use(middleware.Retry(middleware.Constant(0))))
	job, attempts := failing(9, middleware.Permanent(errFlaky))
	require.ErrorIs(t, p.Submit(job).Wait(context.Background()), errFlaky)
	require.EqualValues(t, 1, attempts.Load())
}

func TestCancelledJobIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.Use(middleware.Retry(middleware.Constant(time.Hour))))
		var attempts atomic.Int32
		ctx, cancel := context.WithCancel(context.Background())
		task := p.SubmitContext(ctx, func(ctx context.Context) error {
			attempts.Add(1)
			<-ctx.Done()
			return errFlaky
		})
		synctest.Wait()
		begin := time.Now()
		cancel()
		require.ErrorIs(t, task.Wait(context.Background()), errFlaky)
		require.EqualValues(t, 1, attempts.Load())
		require.Zero(t, time.Since(begin))
	})
}

func TestPolicyIsNotAskedAboutACancelledJob(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(pool.ErrShutdown)
	job, _ := failing(9, errFlaky)
	retry := middleware.Retry(func(int, time.Duration, error) (time.Duration, bool) {
		t.Error("the policy was asked")
		return 0, true
	})
	require.Equal(t, errFlaky, retry(job)(ctx))
}

func TestSuccessesFillTheBudget(t *testing.T) {
	budget := middleware.NewBudget(4, 1)
	p := newPool(t, 1, pool.Use(middleware.Retry(middleware.Constant(0), middleware.WithBudget(budget))))
	for range 9 { // each takes a token and puts one back
		job, attempts := failing(1, errFlaky)
		require.NoError(t, p.Submit(job).Wait(context.Background()))
		require.EqualValues(t, 2, attempts.Load())
	}
}

func TestLostSlotReachesThePolicyAsSuch(t *testing.T) {
	for name, c := range map[string]struct {
		policy   middleware.Policy
		attempts int32
	}{
		"not said":  {middleware.Constant(0), 1},
		"said":      {middleware.RetryLost(middleware.Constant(0)), 2},
		"by a func": {func(int, time.Duration, error) (time.Duration, bool) { return 0, true }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := slottest.NewBreakable(slot.NewLocal(1))
				p := newPool(t, 1, pool.WithSlots(src), pool.Use(middleware.Retry(c.policy)))
				var attempts atomic.Int32
				task := p.Submit(func(ctx context.Context) error {
					if attempts.Add(1) == 2 {
						return nil
					}
					<-ctx.Done()
					return ctx.Err() // says nothing of the loss
				}, pool.Key("a"))
				synctest.Wait()
				src.Expire("a")
				err := task.Wait(context.Background())
				require.Equal(t, c.attempts, attempts.Load())
				if c.attempts == 1 {
					require.ErrorIs(t, err, slot.ErrLost)
				} else {
					require.NoError(t, err)
				}
			})
		})
	}
}

func TestPanicIsRetriedOnlyIfAsked(t *testing.T) {
	run := func(opts ...middleware.RetryOption) (attempts int32, err error) {
		p := newPool(t, 1, pool.Use(middleware.Retry(middleware.Constant(0), opts...)))
		err = p.Submit(func(context.Context) error {
			if attempts++; attempts == 1 {
				panic("ouch")
			}
			return nil
		}).Wait(context.Background())
		return attempts, err
	}
	attempts, err := run()
	var panicked *pool.PanicError
	require.ErrorAs(t, err, &panicked)
	require.EqualValues(t, 1, attempts)

	attempts, err = run(middleware.RetryPanics())
	require.NoError(t, err)
	require.EqualValues(t, 2, attempts)

	p := newPool(t, 1, pool.Use(middleware.Retry(middleware.MaxAttempts(1, middleware.Constant(0)), middleware.RetryPanics())))
	err = p.Submit(func(context.Context) error { panic("ouch") }).Wait(context.Background())
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, "ouch", panicked.Value)
	require.Contains(t, string(panicked.Stack), "TestPanicIsRetriedOnlyIfAsked")
}

func TestBudgetIsSharedByTheJobsOfAPool(t *testing.T) {
	budget := middleware.NewBudget(10, 0.1)
	p := newPool(t, 1, pool.Use(middleware.Retry(middleware.Constant(0), middleware.WithBudget(budget))))
	job, attempts := failing(1000, errFlaky)
	first := p.Submit(job)
	require.ErrorIs(t, first.Wait(context.Background()), errFlaky)
	require.EqualValues(t, 5, attempts.Load(), "four retries leave 6 of 10 tokens, the fifth failure 5")
	require.ErrorIs(t, p.Submit(job).Wait(context.Background()), errFlaky)
	require.EqualValues(t, 6, attempts.Load(), "the next job is not retried at all")
}

func TestWhatAsksForARetryItselfIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.Use(middleware.Retry(func(int, time.Duration, error) (time.Duration, bool) {
			t.Error("the policy was asked")
			return 0, false
		})))
		begin := time.Now()
		job, _ := failing(1, pool.RetryAfter(time.Minute, errFlaky))
		require.NoError(t, p.Submit(job).Wait(context.Background()))
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

func TestOutsideAPoolARetryIsAnOrdinaryError(t *testing.T) {
	job, attempts := failing(1, errFlaky)
	err := middleware.Retry(middleware.Constant(time.Second))(job)(context.Background())
	require.ErrorIs(t, err, errFlaky)
	require.EqualValues(t, 1, attempts.Load())
}

func TestMisuseMakesNewFailAndSaysWhy(t *testing.T) {
	good := middleware.Constant(0)
	for want, m := range map[string]pool.Middleware{
		"Retry: the policy is nil":             middleware.Retry(nil),
		"Exponential needs 0 < min ≤ max":      middleware.Retry(middleware.Exponential(0, 0)),
		"Retry: an option is nil":              middleware.Retry(good, nil),
		"WithBudget: the budget is nil":        middleware.Retry(good, middleware.WithBudget(nil)),
		"NewBudget: maxTokens is 0":            middleware.Retry(good, middleware.WithBudget(middleware.NewBudget(0, 1))),
		"Timeout(0s): give a time above zero":  middleware.Timeout(0),
		"RateLimit: the limiter is nil":        middleware.RateLimit(nil),
		"CircuitBreaker: the breaker is nil":   middleware.CircuitBreaker(nil),
		"Log: the logger is nil":               middleware.Log(nil),
		"Timeout(-1s): give a time above zero": middleware.Timeout(-time.Second),
		"and no nil option":                    middleware.Retry(middleware.Exponential(1, 2, nil)),
		"RateLimit: the limiter is":            middleware.RateLimit((*turns)(nil)),
		"CircuitBreaker: the breaker is":       middleware.CircuitBreaker((*breaker)(nil)),
		"CircuitBreaker: an option is nil":     middleware.CircuitBreaker(&breaker{}, nil),
		"OpenFor(0s): give a time above zero":  middleware.CircuitBreaker(&breaker{}, middleware.OpenFor(0)),
		"OpenFor(-1ns)":                        middleware.CircuitBreaker(&breaker{}, middleware.OpenFor(-1)),
		"JudgeBy: the function is nil":         middleware.CircuitBreaker(&breaker{}, middleware.JudgeBy(nil)),
		"PerKey: the function is nil":          middleware.PerKey(nil, 1),
		"PerKey: at most 0 keys: give 1":       middleware.PerKey((&made{}).plain, 0),
	} {
		_, err := pool.New(1, pool.Use(m))
		require.ErrorContains(t, err, "middleware: ")
		require.ErrorContains(t, err, want)
	}
}

func TestRetryIsAnErrorOfItsOwnKind(t *testing.T) {
	_, reason, ok := pool.AsRetry(middleware.Retry(middleware.Constant(0))(func(context.Context) error { return errFlaky })(context.Background()))
	require.True(t, ok)
	require.True(t, errors.Is(reason, errFlaky))
}
