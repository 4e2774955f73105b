package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/pool"
)

// ErrTimeout is the cause of an attempt's context that [Timeout] ended, and is
// matched by what the attempt fails with. It matches
// [context.DeadlineExceeded] too.
var ErrTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string        { return "middleware: the attempt timed out" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout ends the context of each attempt after d, with a cause that matches
// [ErrTimeout]. A job that ignores its context runs on; one that returns nil
// after its time was up has succeeded all the same. d must be above zero.
//
// In the chain: innermost, inside [Retry], so that each attempt has the whole of
// d, and inside [RateLimit], so that waiting for a turn does not use it up.
// Outside Retry an attempt that timed out looks like a cancelled job to Retry, and
// is its last. What bounds all attempts together is [MaxElapsed], or the context
// given to SubmitContext.
func Timeout(d time.Duration) pool.Middleware {
	if d <= 0 {
		return misuse("Timeout(%v): give a time above zero", d)
	}
	return func(next pool.Job) pool.Job {
		return func(ctx context.Context) error {
			cause := fmt.Errorf("%w after %v", ErrTimeout, d)
			ctx, cancel := context.WithTimeoutCause(ctx, d, cause)
			defer cancel()
			err := next(ctx)
			if err != nil && context.Cause(ctx) == cause && !errors.Is(err, ErrTimeout) {
				return fmt.Errorf("%w: %w", cause, err)
			}
			return err
		}
	}
}
