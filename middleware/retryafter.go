package middleware

import (
	"errors"
	"math"
	"time"

	"github.com/berth-go/berth/internal/retryafter"
)

// A server that is too busy may say when to come back. Errors tell [Retry] and
// [PauseKey] by this method, found with [errors.As]; the flag is false where
// nothing was said.
type retryAfterer interface {
	RetryAfter() (time.Duration, bool)
}

// WithRetryAfter returns err with a server's word on when to try again, d from
// now: call it when the response has come. [Retry] waits that long, and the
// policy's wait on top of it, so that jobs that were told the same do not come
// back in the same instant; [PauseKey] keeps everybody else waiting, too. A
// negative d counts as zero; WithRetryAfter(nil, d) is nil.
//
//	if d, ok := middleware.ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
//		err = middleware.WithRetryAfter(err, d)
//	}
//
// Any other error with a method RetryAfter() (time.Duration, bool) says the same, but
// for when: its time counts from the end of the attempt.
func WithRetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &afterError{err, max(d, 0), time.Now()}
}

type afterError struct {
	error
	after time.Duration
	said  time.Time // when
}

func (e *afterError) Unwrap() error                     { return e.error }
func (e *afterError) RetryAfter() (time.Duration, bool) { return e.after, true }

// serverWait is what is left at a time of what the server behind err asked for, or
// zero.
func serverWait(err error, now time.Time) time.Duration {
	var e retryAfterer
	if !errors.As(err, &e) {
		return 0
	}
	d, ok := e.RetryAfter()
	if !ok {
		return 0
	}
	if e, ok := e.(*afterError); ok {
		d -= now.Sub(e.said)
	}
	return max(d, 0)
}

// addWaits is a + b, neither of them negative, or the longest duration there is.
func addWaits(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// ParseRetryAfter reads the value of an HTTP Retry-After header (RFC 9110,
// section 10.2.3): a number of seconds, or a date, which is taken against now.
// A date in the past is a wait of zero, and what is longer than the longest
// duration, 292 years, is that, however many digits it has. Spaces and tabs
// around value are left out. It reports false if value is neither.
func ParseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	return retryafter.Parse(value, now)
}
