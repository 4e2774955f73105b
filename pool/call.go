package pool

import "context"

// A Result is the task of a job that returns a value, see [Call].
type Result[T any] struct {
	*Task
	value T // written by the job, read once the task is done
}

// Call is SubmitContext for a job that returns a value. The result is a task as
// well: it can be cancelled, and Done is closed when the value is there.
//
// With a middleware that retries it is the value of the last attempt.
func Call[T any](ctx context.Context, p *Pool, fn func(context.Context) (T, error), opts ...JobOption) *Result[T] {
	r := &Result[T]{}
	var job Job // nil is refused with ErrNilJob
	if fn != nil {
		job = func(ctx context.Context) (err error) {
			var none T
			r.value = none // of the attempt before, in case this one panics
			r.value, err = fn(ctx)
			return err
		}
	}
	r.Task = p.SubmitContext(ctx, job, opts...)
	return r
}

// Wait blocks until the task is done and returns what the function returned, or
// until ctx ends; see [Task.Wait]. The value is zero if the function has not run
// or has panicked.
func (r *Result[T]) Wait(ctx context.Context) (T, error) {
	err := r.Task.Wait(ctx)
	if r.State() != StateDone {
		var none T
		return none, err
	}
	return r.value, err
}
