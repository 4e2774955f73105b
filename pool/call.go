package pool

import (
	"context"
	"sync"
)

// A Result is the task of a job that returns a value, see [Call].
type Result[T any] struct {
	*Task
	out output[T]
}

// An output is what a job returned beside its error. A middleware may call the
// job once more when its result has been taken, so it has a lock.
type output[T any] struct {
	mu    sync.Mutex // guards value
	value T
}

func (o *output[T]) set(v T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.value = v
}

func (o *output[T]) get() T {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.value
}

// run calls fn and keeps what it returns. If it panics, nothing is left of what an
// attempt before returned.
func (o *output[T]) run(fn func() (T, error)) error {
	var none T
	o.set(none)
	v, err := fn()
	o.set(v)
	return err
}

// Call is SubmitContext for a job that returns a value. The result is a task as
// well: it can be cancelled, and Done is closed when the value is there.
//
// With a middleware that retries it is the value of the last attempt.
func Call[T any](ctx context.Context, p *Pool, fn func(context.Context) (T, error), opts ...JobOption) *Result[T] {
	r := &Result[T]{}
	var job Job // nil is refused with ErrNilJob
	if fn != nil {
		job = func(ctx context.Context) error {
			return r.out.run(func() (T, error) { return fn(ctx) })
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
	return r.out.get(), err
}
