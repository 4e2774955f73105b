package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

func TestTimeoutEndsEachAttemptWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.Use(
			middleware.Retry(middleware.MaxAttempts(2, middleware.Constant(time.Minute))), middleware.Timeout(time.Second)))
		begin := time.Now()
		var causes []error
		err := p.Submit(func(ctx context.Context) error {
			<-ctx.Done()
			causes = append(causes, context.Cause(ctx))
			return errFlaky
		}).Wait(context.Background())
		require.ErrorIs(t, err, middleware.ErrTimeout)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errFlaky)
		require.ErrorContains(t, err, "timed out after 1s")
		require.Len(t, causes, 2)
		require.ErrorIs(t, causes[1], middleware.ErrTimeout)
		require.Equal(t, time.Minute+2*time.Second, time.Since(begin), "each attempt has the whole time")
	})
}

func TestAJobThatIgnoresATimeoutOfTheMiddlewareIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.Use(middleware.Timeout(time.Second)), pool.WithGrace(time.Second))
		task := p.Submit(func(context.Context) error { time.Sleep(time.Minute); return nil })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, p.Stats().Overruns)
		require.NoError(t, task.Wait(context.Background()))
	})
}

func TestTheShorterOfATimeLimitAndATimeoutCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.Use(middleware.Timeout(time.Minute)))
		for limit, want := range map[time.Duration]string{time.Second: "after 1s", time.Hour: "after 1m0s"} {
			err := p.Submit(func(ctx context.Context) error {
				<-ctx.Done()
				return context.Cause(ctx)
			}, pool.TimeLimit(limit)).Wait(context.Background())
			require.ErrorIs(t, err, pool.ErrTimeLimit)
			require.ErrorContains(t, err, want)
		}
	})
}

func TestTimeoutLeavesOtherEndingsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.Use(middleware.Timeout(time.Second)))
		require.Equal(t, errFlaky, p.Submit(func(context.Context) error { return errFlaky }).Wait(context.Background()))
		require.NoError(t, p.Submit(func(context.Context) error {
			time.Sleep(time.Minute)
			return nil
		}).Wait(context.Background()), "a success is a success, however late")

		task := p.Submit(func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		synctest.Wait()
		task.Cancel()
		err := task.Wait(context.Background())
		require.ErrorIs(t, err, pool.ErrCanceled)
		require.NotErrorIs(t, err, middleware.ErrTimeout)
	})
}

func TestTimeoutOutsideRetryMakesItsAttemptTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.Use(middleware.Timeout(time.Second), middleware.Retry(middleware.Constant(0))))
		attempts := 0
		err := p.Submit(func(ctx context.Context) error {
			attempts++
			<-ctx.Done()
			return errFlaky
		}).Wait(context.Background())
		require.ErrorIs(t, err, middleware.ErrTimeout)
		require.Equal(t, 1, attempts)
	})
}

// turns is a limiter whose Wait takes a second, or fails.
type turns struct{ err error }

func (l turns) Wait(ctx context.Context) error {
	time.Sleep(time.Second)
	return l.err
}

func TestRateLimitLetsEachAttemptWaitForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.Use(middleware.Retry(middleware.Constant(0)), middleware.RateLimit(turns{})))
		begin := time.Now()
		job, _ := failing(2, errFlaky)
		require.NoError(t, p.Submit(job).Wait(context.Background()))
		require.Equal(t, 3*time.Second, time.Since(begin))
	})
}

func TestRateLimitWithoutATurnDoesNotCallTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("would exceed the deadline")
		job, attempts := failing(0, nil)
		err := middleware.RateLimit(turns{refused})(job)(context.Background())
		require.ErrorIs(t, err, refused)
		require.ErrorContains(t, err, "rate limit")
		require.Zero(t, attempts.Load())
	})
}

// breaker is a breaker that opens after some failures in a row, for good, and
// understands ErrNeither.
type breaker struct {
	threshold int
	outcomes  []error
}

var errOpen = errors.New("breaker is open")

func (b *breaker) open() bool {
	failures := 0
	for _, err := range b.outcomes {
		if failures++; err == nil {
			failures = 0
		}
	}
	return b.threshold > 0 && failures >= b.threshold
}

func (b *breaker) Allow() (func(error), error) {
	if b.open() {
		return nil, errOpen
	}
	return func(err error) { b.outcomes = append(b.outcomes, err) }, nil
}

func TestBreakerIsToldHowEachAttemptEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{}
		src := slottest.NewBreakable(slot.NewLocal(1))
		limiter := turns{errors.New("no turn")}
		p := newPool(t, 1, pool.WithSlots(src), pool.WithReuse(0), pool.Use(middleware.CircuitBreaker(b, middleware.ThreeOutcomes())))
		run := func(job pool.Job) error { return p.Submit(job, pool.Key("a")).Wait(context.Background()) }

		require.NoError(t, run(func(context.Context) error { return nil }))
		require.Error(t, run(func(context.Context) error { return errFlaky }))
		require.Equal(t, []error{nil, errFlaky}, b.outcomes)

		require.Error(t, run(func(context.Context) error { panic("ouch") }))
		require.ErrorContains(t, b.outcomes[2], "panicked")
		require.ErrorIs(t, run(func(context.Context) error { runtime.Goexit(); return nil }), pool.ErrGoexit)
		require.ErrorContains(t, b.outcomes[3], "Goexit")

		task := p.Submit(func(ctx context.Context) error { <-ctx.Done(); return errFlaky })
		synctest.Wait()
		task.Cancel()
		require.Error(t, task.Wait(context.Background()))
		require.ErrorIs(t, b.outcomes[4], middleware.ErrNeither, "a cancelled job is no failure")
		require.ErrorIs(t, b.outcomes[4], errFlaky)

		require.Error(t, run(func(ctx context.Context) error {
			src.Expire("a")
			return slot.ErrLost
		}))
		require.ErrorIs(t, b.outcomes[5], middleware.ErrNeither, "a lost slot is no failure")

		require.Error(t, run(func(context.Context) error { return fmt.Errorf("nested: %w", slot.ErrLost) }))
		require.ErrorIs(t, b.outcomes[6], middleware.ErrNeither, "nor is one that the job claimed itself")

		ctx, cancel := context.WithCancel(context.Background())
		task = p.SubmitContext(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
		synctest.Wait()
		cancel()
		require.NoError(t, task.Wait(context.Background()))
		require.NoError(t, b.outcomes[7], "a success is a success, however late")

		require.Error(t, run(middleware.RateLimit(limiter)(func(context.Context) error { return nil })))
		require.ErrorIs(t, b.outcomes[8], middleware.ErrNeither, "a turn that was not to be had is no failure")
		require.Error(t, run(middleware.CircuitBreaker(&breaker{threshold: 1, outcomes: []error{errFlaky}})(func(context.Context) error { return nil })))
		require.ErrorIs(t, b.outcomes[9], middleware.ErrNeither, "nor is what another breaker refuses")
		require.Len(t, b.outcomes, 10)
	})
}

func TestBreakerCountsAnAttemptThatTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{}
		p := newPool(t, 1, pool.Use(middleware.CircuitBreaker(b), middleware.Timeout(time.Second)))
		require.Error(t, p.Submit(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }).Wait(context.Background()))
		require.ErrorIs(t, b.outcomes[0], middleware.ErrTimeout)
	})
}

func TestOpenBreakerKeepsTheJobFromRunning(t *testing.T) {
	b := &breaker{threshold: 1, outcomes: []error{errFlaky}}
	job, attempts := failing(0, nil)
	err := middleware.CircuitBreaker(b)(job)(context.Background())
	require.ErrorIs(t, err, errOpen)
	require.Zero(t, attempts.Load())
}

// logged runs a job under Log and the given middleware and returns the lines.
func logged(t *testing.T, job pool.Job, opts []pool.Option, chain ...pool.Middleware) []string {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	chain = append([]pool.Middleware{middleware.Log(logger)}, chain...)
	p := newPool(t, 1, append(opts, pool.Use(chain...))...)
	_ = p.Submit(job, pool.Key("a"), pool.Name("copy")).Wait(context.Background())
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

func TestLogWritesOneLineForEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		require.Equal(t, []string{
			`level=WARN msg="job will be retried" job=copy key=a attempt=1 slot_reused=false took=1s retry_in=1m0s error=flaky`,
			`level=INFO msg="job succeeded" job=copy key=a attempt=2 slot_reused=false took=1s`,
		}, logged(t, func(context.Context) error {
			time.Sleep(time.Second)
			if attempts++; attempts == 1 {
				return errFlaky
			}
			return nil
		}, nil, middleware.Retry(middleware.Constant(time.Minute))))
	})
}

func TestLogChoosesTheLevelByTheOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slottest.NewBreakable(slot.NewLocal(1))
		for want, job := range map[string]pool.Job{
			`level=ERROR msg="job failed" job=copy key=a attempt=1 slot_reused=false took=0s error=flaky`: func(context.Context) error { return errFlaky },
			`level=ERROR msg="job panicked or called runtime.Goexit" job=copy key=a attempt=1 slot_reused=false took=0s`: func(context.Context) error {
				panic("ouch")
			},
			`level=WARN msg="job lost its slot" job=copy key=a attempt=1 slot_reused=false took=0s error="context canceled"`: func(ctx context.Context) error {
				src.Expire("a")
				<-ctx.Done()
				return ctx.Err()
			},
		} {
			require.Equal(t, []string{want}, logged(t, job, []pool.Option{pool.WithSlots(src)}))
		}
	})
}

func TestLogTakesACancelledJobForNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newPool(t, 1, pool.Use(middleware.Log(slog.New(slog.NewTextHandler(&out, nil)))))
		task := p.Submit(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		synctest.Wait()
		task.Cancel()
		require.Error(t, task.Wait(context.Background()))
		require.Contains(t, out.String(), `level=INFO msg="job cancelled"`)
	})
}
