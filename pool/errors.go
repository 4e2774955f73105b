package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/sourcegraph/conc/panics"
)

var (
	// ErrClosed is returned by a submit after Shutdown has begun. The job has
	// not run and will not.
	ErrClosed = errors.New("pool: closed: it takes no more jobs after Shutdown")

	// ErrQueueFull is returned by TrySubmit when there is no room. The job has
	// not run and will not.
	ErrQueueFull = errors.New("pool: the queue is full")

	// ErrShutdown is the result of a task that a shutdown ended: it is joined
	// with the last error of a task that backed off, and the cause of the
	// context of a job that was running.
	ErrShutdown = errors.New("pool: ended by shutdown")

	// ErrCanceled is the result of a task that was cancelled before it ran, and
	// the cause of the context of one that was running. It matches
	// context.Canceled.
	ErrCanceled error = canceled{}

	// ErrNilJob is the result of a task without a job.
	ErrNilJob = errors.New("pool: the job is nil")

	// ErrGoexit is the result of a job that called runtime.Goexit, as
	// testing.T.FailNow does.
	ErrGoexit = errors.New("pool: the job called runtime.Goexit")

	// ErrInside is returned by Wait and Shutdown of a pool when one of its own
	// jobs calls them with its context: they would wait for that job.
	ErrInside = errors.New("pool: Wait and Shutdown cannot be called by a job of the same pool")

	// ErrSourcePanic is matched by the result of a job whose slot could not be
	// claimed because the source panicked, or called runtime.Goexit.
	ErrSourcePanic = errors.New("pool: the slot source panicked")

	// ErrSlotKey is matched by the result of a task whose slot key is not known,
	// since the function of [WithSlotKey] panicked. It was not accepted.
	ErrSlotKey = errors.New("pool: the function of WithSlotKey panicked")
)

type canceled struct{}

func (canceled) Error() string { return "pool: the task was cancelled" }

// Is makes ErrCanceled match context.Canceled.
func (canceled) Is(target error) bool { return target == context.Canceled }

// A PanicError is the result of a job that panicked.
type PanicError struct {
	// Value is what the job panicked with.
	Value any
	// Stack is the stack of the panic.
	Stack []byte
}

func newPanicError(r *panics.Recovered) *PanicError {
	return &PanicError{Value: r.Value, Stack: r.Stack}
}

// Error returns the value without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("pool: the job panicked: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
