package middleware

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// Retry asks the pool to run a job again after an attempt that failed, where
// policy says so. The job gives its slot and its worker back while it waits, and
// then stands in its lane again. Not retried, whatever policy says: what is
// marked [Permanent], a job that was cancelled or whose pool shuts down, and,
// without [RetryPanics], a panic.
//
// A job that a [CircuitBreaker] inside did not allow has made no attempt: it is put
// off until the breaker may allow it, whatever policy and budget say, and what ends
// that is the end of the context that it was submitted with. A job that asks for
// another attempt itself, by [pool.RetryAfter] or [pool.NotYet], is left alone: the
// policy is not asked, and the budget stays as it is.
//
// The request is the error of [pool.RetryAfter]. Outside a pool, where nobody
// grants it, that is an ordinary error, which matches the attempt's.
//
// In the chain: inside [Log], outside all others of this package.
//
//	pool.New(8, pool.Use(
//		middleware.Log(logger),
//		middleware.Retry(middleware.MaxAttempts(5, middleware.Exponential(100*time.Millisecond, 10*time.Second))),
//		middleware.CircuitBreaker(breaker),
//		middleware.RateLimit(limiter),
//		middleware.Timeout(30*time.Second),
//	))
func Retry(policy Policy, opts ...RetryOption) pool.Middleware {
	r := &retrier{policy: policy}
	for _, opt := range opts {
		if opt == nil {
			return misuse("Retry: an option is nil")
		}
		opt(r)
	}
	if policy == nil {
		return misuse("Retry: the policy is nil, which is also what its constructors return for arguments that make no sense: " +
			"Exponential needs 0 < min ≤ max and no nil option, Constant at least 0, MaxAttempts at least 1, MaxElapsed more than 0")
	}
	if r.err != nil {
		return misuse("Retry: %w", r.err)
	}
	return func(next pool.Job) pool.Job {
		return func(ctx context.Context) error {
			return r.decide(ctx, r.run(ctx, next))
		}
	}
}

// A RetryOption changes what [Retry] does.
type RetryOption func(*retrier)

// WithBudget makes the retries of all jobs share b: while it is used up, an
// attempt that failed is the job's last.
func WithBudget(b *Budget) RetryOption {
	return func(r *retrier) {
		r.budget = b
		switch {
		case b == nil:
			r.err = errors.New("WithBudget: the budget is nil")
		case b.err != nil:
			r.err = b.err
		}
	}
}

// RetryPanics lets the policy decide about jobs that panicked too. A job that
// panicked may have left behind what it was working on half done.
func RetryPanics() RetryOption { return func(r *retrier) { r.panics = true } }

type retrier struct {
	policy Policy
	budget *Budget // nil: no bound
	panics bool
	err    error // of the options
}

// run makes the attempt. The pool catches panics outside the middleware, so one
// that may be retried is caught here.
func (r *retrier) run(ctx context.Context, next pool.Job) (err error) {
	if r.panics {
		defer func() {
			if v := recover(); v != nil {
				err = &pool.PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
	}
	return next(ctx)
}

// decide turns the error of an attempt into what the pool is to do.
func (r *retrier) decide(ctx context.Context, err error) error {
	if err == nil {
		r.budget.succeeded()
		return nil
	}
	if _, _, asked := pool.AsRetry(err); asked || isPermanent(err) {
		return err
	}
	if r := (*refusal)(nil); errors.As(err, &r) {
		return pool.NotYet(r.wait, err) // no attempt was made, so there is nothing to decide
	}
	cause := context.Cause(ctx)
	lost := errors.Is(cause, slot.ErrLost)
	if ctx.Err() != nil && !lost {
		return err
	}
	if lost && !errors.Is(err, slot.ErrLost) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	attempt, elapsed := progress(ctx)
	wait, again := r.policy(attempt, elapsed, err)
	if !again || !r.budget.retry() {
		return err
	}
	return pool.RetryAfter(addWaits(max(wait, 0), serverWait(err, time.Now())), err)
}

// progress is how far the job of ctx has come. Outside a pool each call is the
// first attempt.
func progress(ctx context.Context) (attempt int, elapsed time.Duration) {
	info, ok := pool.FromContext(ctx)
	if !ok {
		return 1, 0
	}
	return info.Attempt, info.Elapsed()
}
