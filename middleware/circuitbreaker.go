package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// A Breaker is a circuit breaker of two steps; *gobreaker.TwoStepCircuitBreaker
// of github.com/sony/gobreaker/v2 is one. Allow asks for permission; with it
// comes a function that is told, once at most, how the attempt ended; it may be
// nil. Without it comes an error, and the attempt is not made. Both are called by
// many jobs at once and must not block.
type Breaker interface {
	Allow() (done func(error), err error)
}

// A TimedBreaker is a [Breaker] that can say when it may let the next attempt
// through. RetryAt is asked after each refusal; known is false where the breaker
// cannot say, as while it is half-open and waits for the outcome of a probe. For
// one that never can, as gobreaker's, there is [OpenFor].
type TimedBreaker interface {
	Breaker
	RetryAt() (at time.Time, known bool)
}

// An Outcome is what an attempt says about what its job talks to.
type Outcome int

const (
	// Success: it is well.
	Success Outcome = iota
	// Failure: it is not.
	Failure
	// Neither: the attempt says nothing about it.
	Neither
)

// String returns the outcome in lower case.
func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Neither:
		return "neither"
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// ErrNeither is matched by what a breaker with [ThreeOutcomes] is told of an
// attempt that was neither a success nor a failure.
var ErrNeither = errors.New("middleware: the attempt says nothing about what its job talks to")

// errAborted is what a breaker hears of an attempt that panicked or called
// runtime.Goexit.
var errAborted = errors.New("middleware: the job panicked or called runtime.Goexit")

// CircuitBreaker asks b before each attempt and tells it the outcome, see
// [OutcomeOf]. A job that is not allowed is not called, and what it fails with
// matches b's error.
//
// In the chain: inside [Retry], which takes a refusal for no attempt: the job
// comes back when b may let it through, keeps no worker and no slot until then,
// has all its attempts and the whole of its budget left, and what it failed with
// last is not forgotten. That is when b says so (a [TimedBreaker], or [OpenFor]).
// Where it cannot be known the job waits for as long again as b has refused
// already, at least 100 ms and at most 10 s. Waits are longer by a random part, so
// that jobs do not come back in the same instant. Without Retry a refusal is the
// job's result. Outside of Retry the breaker takes each retry that was asked for as
// one more failure of the job, opens although every job would succeed in the end,
// and then fails jobs that Retry never hears of; the example shows it.
//
// An attempt that ended in [Neither] tells b nothing: its permission is kept and
// used again by the next attempt that b refuses, so that a half-open breaker is
// neither closed nor opened by a probe that was cancelled, and does not wait for
// its outcome for ever. Others who use b have to wait for that attempt, too: give
// several pools that share a breaker the same Middleware, and a b with users of
// another kind [ThreeOutcomes].
func CircuitBreaker(b Breaker, opts ...BreakerOption) pool.Middleware {
	if isNil(b) {
		return misuse("CircuitBreaker: the breaker is nil")
	}
	c := &circuit{breaker: b, outcomeOf: OutcomeOf}
	c.refusals.timed, _ = b.(TimedBreaker)
	for _, opt := range opts {
		if opt == nil {
			return misuse("CircuitBreaker: an option is nil")
		}
		if err := opt(c); err != nil {
			return misuse("CircuitBreaker: %w", err)
		}
	}
	return func(next pool.Job) pool.Job {
		return func(ctx context.Context) (err error) {
			p, err := c.allow()
			if err != nil {
				return err
			}
			outcome, told := Failure, errAborted // stays so if next does not return
			defer func() { c.tell(p, outcome, told) }()
			err = next(ctx)
			outcome, told = c.judge(ctx, err)
			return err
		}
	}
}

// A BreakerOption changes what [CircuitBreaker] does.
type BreakerOption func(*circuit) error

// OpenFor says how long the breaker refuses once it has opened, such as
// gobreaker's Settings.Timeout, whose default is 60 s. It is for breakers that
// cannot say so themselves: a refused job comes back d after the failure that
// opened the breaker. d must be above zero.
func OpenFor(d time.Duration) BreakerOption {
	return func(c *circuit) error {
		if d <= 0 {
			return fmt.Errorf("OpenFor(%v): give a time above zero", d)
		}
		c.refusals.openFor = d
		return nil
	}
}

// JudgeBy makes f say what an attempt was, instead of [OutcomeOf], which f may
// call for what it does not know better. It is called by many jobs at once.
func JudgeBy(f func(ctx context.Context, err error) Outcome) BreakerOption {
	return func(c *circuit) error {
		if f == nil {
			return errors.New("JudgeBy: the function is nil")
		}
		c.outcomeOf = f
		return nil
	}
}

// ThreeOutcomes says that the breaker understands an error that matches
// [ErrNeither], and is told that. For gobreaker it goes with the setting
//
//	IsExcluded: func(err error) bool { return errors.Is(err, middleware.ErrNeither) },
func ThreeOutcomes() BreakerOption {
	return func(c *circuit) error {
		c.three = true
		return nil
	}
}

// OutcomeOf says what an attempt says about what its job talks to, by its job's
// context and what it returned:
//
//	Success   no error
//	Neither   its context has ended: the job was cancelled, its submitter's context
//	          ended, the pool was shut down, or its slot was lost; another slot was
//	          lost, which the error tells; it was put off by [pool.NotYet]; or the
//	          job was not called, by a CircuitBreaker or a RateLimit inside
//	Failure   any other error, a [Timeout] inside among them
//
// A panic and runtime.Goexit are a Failure whatever is said here.
func OutcomeOf(ctx context.Context, err error) Outcome {
	var uncalled notCalled
	_, reason, again := pool.AsRetry(err)
	switch {
	case err == nil:
		return Success
	case ctx.Err() != nil: // ctx is the job's own: a Timeout inside does not end it
		return Neither
	case again && reason == nil, errors.Is(err, slot.ErrLost), errors.As(err, &uncalled):
		return Neither
	}
	return Failure
}

// notCalled is what the errors of middleware match that has not called its job.
type notCalled interface {
	error
	jobNotCalled()
}

// A refusal is the error of an attempt that a breaker did not allow.
type refusal struct {
	err  error
	wait time.Duration // after which it may
}

func (r *refusal) Error() string { return fmt.Sprintf("middleware: circuit breaker: %v", r.err) }
func (r *refusal) Unwrap() error { return r.err }
func (r *refusal) jobNotCalled() {}

// A circuit is a breaker with what the middleware knows of it.
type circuit struct {
	breaker   Breaker
	outcomeOf func(context.Context, error) Outcome
	three     bool // the breaker understands ErrNeither
	refusals  refusals
	unused    permits
}

// allow returns a permission, or a *refusal.
func (c *circuit) allow() (permit, error) {
	p := c.unused.number()
	done, err := c.breaker.Allow()
	if err == nil {
		c.refusals.ended()
		if p.done = done; done == nil {
			p.done = func(error) {} // it does not want to know
		}
		return p, nil
	}
	if p, ok := c.unused.take(); ok {
		c.refusals.ended()
		return p, nil
	}
	return permit{}, &refusal{err, c.refusals.next(time.Now())}
}

// judge returns what an attempt was, and what the breaker is to be told of it.
func (c *circuit) judge(ctx context.Context, err error) (Outcome, error) {
	switch o := c.outcomeOf(ctx, err); {
	case o == Success:
		return Success, nil
	case o == Neither:
		return Neither, fmt.Errorf("%w: %w", ErrNeither, orNone(err))
	}
	return Failure, orNone(err)
}

// orNone is err or, where a function of JudgeBy does not take nil for a success,
// words for that.
func orNone(err error) error {
	if err == nil {
		return errors.New("middleware: the attempt returned no error")
	}
	return err
}

// tell tells the breaker how an attempt ended.
func (c *circuit) tell(p permit, o Outcome, told error) {
	switch {
	case o == Neither && !c.three:
		c.unused.keep(p)
		return
	case o == Failure:
		c.refusals.failed(time.Now())
	}
	p.done(told)
	if o == Failure {
		c.unused.dropBefore(p)
	}
}
