package middleware

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// A Breaker is a circuit breaker of two steps; *gobreaker.TwoStepCircuitBreaker
// of github.com/sony/gobreaker/v2 is one. Allow asks for permission; with it
// comes a function that is to be told, once, how the attempt ended. Without it
// comes an error, and the attempt is not made.
type Breaker interface {
	Allow() (done func(error), err error)
}

// errAborted is what a breaker hears of an attempt that panicked or called
// runtime.Goexit.
var errAborted = errors.New("middleware: the job panicked or called runtime.Goexit")

// CircuitBreaker asks b before each attempt and tells it the outcome. A lost
// slot and a cancelled job say nothing about what the job talks to: b is told
// nil for them, as it must be told something. An attempt that was not allowed
// fails with b's error.
//
// In the chain: inside [Retry]. There it sees one outcome for each attempt, and
// Retry sees its refusals, so that the job comes back when the breaker may have
// closed. Outside Retry the breaker takes each retry that was asked for as one
// more failure of the job, opens although every job would succeed in the end,
// and then fails jobs that Retry never hears of; the example shows it.
func CircuitBreaker(b Breaker) pool.Middleware {
	if b == nil {
		return misuse("CircuitBreaker: the breaker is nil")
	}
	return func(next pool.Job) pool.Job {
		return func(ctx context.Context) (err error) {
			done, refused := b.Allow()
			if refused != nil {
				return fmt.Errorf("middleware: circuit breaker: %w", refused)
			}
			outcome := errAborted
			defer func() { done(outcome) }()
			err = next(ctx)
			outcome = verdict(ctx, err)
			return err
		}
	}
}

// verdict is what an attempt's error says about what the job talks to.
func verdict(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, slot.ErrLost) {
		return nil // ctx is the job's own: a Timeout inside does not end it
	}
	return err
}
