package middleware

import (
	"context"
	"fmt"

	"github.com/berth-go/berth/pool"
)

// A Limiter lets callers pass one by one; *rate.Limiter of golang.org/x/time is
// one. Wait blocks until the caller may pass, or returns an error: when ctx
// ends, or will end before its turn.
type Limiter interface {
	Wait(ctx context.Context) error
}

// RateLimit lets each attempt wait for its turn at limiter. An attempt that gets
// none fails with the limiter's error, and its job has not been called. It counts
// as an attempt, since it may be that a turn is never to be had, and says nothing
// to a [CircuitBreaker] outside.
//
// In the chain: inside [Retry], so that a turn that was not to be had is tried
// again, and outside [Timeout], so that the wait is not taken for work. The
// wait keeps the worker and its slot: for a rate over all machines, which keeps
// neither, use [github.com/berth-go/berth/slot.MinHold].
func RateLimit(limiter Limiter) pool.Middleware {
	if isNil(limiter) {
		return misuse("RateLimit: the limiter is nil")
	}
	return func(next pool.Job) pool.Job {
		return func(ctx context.Context) error {
			if err := limiter.Wait(ctx); err != nil {
				return &noTurn{err}
			}
			return next(ctx)
		}
	}
}

// noTurn is the error of an attempt that got no turn.
type noTurn struct{ err error }

func (e *noTurn) Error() string { return fmt.Sprintf("middleware: rate limit: %v", e.err) }
func (e *noTurn) Unwrap() error { return e.err }
func (e *noTurn) jobNotCalled() {}
