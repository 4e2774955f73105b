package pool

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrTimeLimit is the cause of the context of a job whose time was up, see
// [TimeLimit], and is matched by what the job fails with then. It matches
// [context.DeadlineExceeded] too.
var ErrTimeLimit error = timeLimitError{}

type timeLimitError struct{}

func (timeLimitError) Error() string        { return "pool: the attempt timed out" }
func (timeLimitError) Timeout() bool        { return true }
func (timeLimitError) Is(target error) bool { return target == context.DeadlineExceeded }

// Limited returns job with a context that ends d after the job has begun to run,
// with a cause that matches [ErrTimeLimit], and so does the error that it returns
// then. One that returns nil after its time was up has succeeded all the same. It is
// what [TimeLimit] does to one job and middleware.Timeout to all.
//
// A job of a pool that goes on regardless is reported after a grace, see
// [WithGrace]. With a d that is not above zero the context ends at once. A nil job
// stays nil.
func Limited(job Job, d time.Duration) Job {
	if job == nil {
		return nil
	}
	return func(ctx context.Context) error {
		cause := fmt.Errorf("%w after %v", ErrTimeLimit, d)
		ctx, cancel := context.WithTimeoutCause(ctx, d, cause)
		defer cancel()
		defer watchLimited(ctx)()
		err := job(ctx)
		if err != nil && context.Cause(ctx) == cause && !errors.Is(err, ErrTimeLimit) {
			return fmt.Errorf("%w: %w", cause, err)
		}
		return err
	}
}

// watchLimited has the pool look whether the job heeds the end of a context that was
// derived from the job's, until the function that it returns is called.
func watchLimited(ctx context.Context) (stop func() bool) {
	t, ok := ctx.Value(runKey{}).(*Task)
	if !ok {
		return func() bool { return false }
	}
	return context.AfterFunc(ctx, func() { t.pool.watchOverrun(t) })
}
