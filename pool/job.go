package pool

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Job is the work. Its context ends when the task is cancelled, when the
// context that it was submitted with ends, when its slot is lost, or when the
// pool is shut down by force; context.Cause tells which. What it returns is the
// task's result, unless it asks to be run again, with [RetryAfter] or [NotYet].
type Job func(ctx context.Context) error

// A Middleware wraps a job in more behaviour. It is applied once, by [New], and
// its job then runs for every attempt of every job of the pool, so it must be
// safe for concurrent use. The context that it hands on must be derived from
// the one that it was given, and says which job is meant: next may be called more
// than once, and also when the middleware has returned.
type Middleware func(next Job) Job

// invalidMiddleware is what an Invalid middleware panics with inside New.
type invalidMiddleware struct{ err error }

func (i invalidMiddleware) Error() string { return i.err.Error() }

// Invalid returns a middleware that makes [New] return err. It is how a
// constructor of middleware reports a wrong argument and still fits in one
// line: pool.Use(middleware.Timeout(-1)).
func Invalid(err error) Middleware {
	return func(Job) Job { panic(invalidMiddleware{err}) }
}

// retryAfter is what RetryAfter and NotYet return.
type retryAfter struct {
	delay  time.Duration
	err    error // what the attempt failed with; where notYet, why it was none, or nil
	notYet bool
}

func (r *retryAfter) Error() string {
	what := "retry after"
	if r.notYet {
		what = "not yet, come back after"
	}
	if r.err == nil {
		return fmt.Sprintf("%s %v", what, r.delay)
	}
	return fmt.Sprintf("%s %v: %v", what, r.delay, r.err)
}

func (r *retryAfter) Unwrap() error { return r.err }

// RetryAfter returns an error that asks the pool for another attempt of the job
// after d. The slot and the worker are free meanwhile, no goroutine waits, and
// the job goes to the back of its lane when the time has come. err is what the
// attempt failed with, and is the task's result if there is no further attempt.
// A d below 0 counts as 0. Without an err nothing has failed: that is [NotYet].
//
// Outside a pool it is an ordinary error that wraps err: nothing retries.
func RetryAfter(d time.Duration, err error) error {
	if err == nil {
		return NotYet(d, nil)
	}
	return &retryAfter{delay: max(d, 0), err: err}
}

// NotYet returns an error with which a job, or a middleware instead of it, asks
// to come back after d, because it is not time for an attempt yet: the job waits
// as after [RetryAfter], and what it did was no attempt. [Info].Attempt stays, so
// the policies of package middleware have one attempt as before; [Info].Elapsed
// counts from the first attempt that was one, and goes on meanwhile. why may be
// nil. When the task ends as it waits, because it is cancelled or the pool shut
// down, that cause is joined with what its last attempt failed with or, where
// none did, with why.
//
// The pool waits for 10 ms at least: a job may ask as often as it likes, so what
// asks at once must not be a hot loop. What ends that is the context that the job
// was submitted with.
func NotYet(d time.Duration, why error) error {
	return &retryAfter{delay: max(d, 0), err: why, notYet: true}
}

// AsRetry looks inside an error for [RetryAfter] or [NotYet]: it returns the
// delay and what the attempt failed with, which is nil if the job is only put
// off, or false.
func AsRetry(err error) (d time.Duration, reason error, ok bool) {
	r := retryOf(err)
	switch {
	case r == nil:
		return 0, err, false
	case r.notYet:
		return r.delay, nil, true
	}
	return r.delay, r.err, true
}

// retryOf finds in an error what asks for another attempt, or nil.
func retryOf(err error) *retryAfter {
	var r *retryAfter
	if err != nil && errors.As(err, &r) {
		return r
	}
	return nil
}

type optionKind uint8

const (
	_ optionKind = iota
	optKey
	optName
	optPriority
	optAfter
	optTimeLimit
)

// A JobOption says something about one job. It is a value, so that options cost
// no allocation.
type JobOption struct {
	kind optionKind
	text string
	n    int64
}

// Key puts the job into the lane of that name. Lanes take turns, and the key of
// a lane is its slot key unless [WithSlotKey] says otherwise. The default is "".
func Key(key string) JobOption { return JobOption{kind: optKey, text: key} }

// Name names the job for hooks, traces and logs. The default is "".
func Name(name string) JobOption { return JobOption{kind: optName, text: name} }

// Priority puts the job before those of a lower priority in its lane. The
// default is 0; below 0 is less urgent. Jobs of one priority run in the order
// of their submits.
func Priority(p int) JobOption { return JobOption{kind: optPriority, n: int64(p)} }

// After starts the job no sooner than d after its submit. Meanwhile it is not
// in its lane and needs no worker. The default is 0; below 0 counts as 0.
func After(d time.Duration) JobOption { return JobOption{kind: optAfter, n: int64(d)} }

// TimeLimit ends the context of each attempt of the job after it has run for d, with
// a cause that matches [ErrTimeLimit]. Only the job itself counts: not the wait for a
// worker, a slot or, in the middleware, a turn, and not the backoff between attempts.
// A job that ignores its context runs on, and keeps its slot for the grace of
// [WithGrace]; one that returns nil after its time was up has succeeded.
//
// Where there is a middleware.Timeout too, the shorter one counts. What bounds the
// whole life of a task is the context given to SubmitContext. With a d that is not
// above zero the job is refused. By default there is no limit.
func TimeLimit(d time.Duration) JobOption { return JobOption{kind: optTimeLimit, n: int64(d)} }
