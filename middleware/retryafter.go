package middleware

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// A server that is too busy may say when to come back. Errors tell [Retry] by
// this method, found with [errors.As]; the flag is false where nothing was said.
type retryAfterer interface {
	RetryAfter() (time.Duration, bool)
}

// WithRetryAfter returns err with a server's word on when to try again. [Retry]
// waits that long, and the policy's wait on top of it, so that jobs that were
// told the same do not come back in the same instant. A negative d counts as
// zero; WithRetryAfter(nil, d) is nil.
//
//	if d, ok := middleware.ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
//		err = middleware.WithRetryAfter(err, d)
//	}
func WithRetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &afterError{err, max(d, 0)}
}

type afterError struct {
	error
	after time.Duration
}

func (e *afterError) Unwrap() error                     { return e.error }
func (e *afterError) RetryAfter() (time.Duration, bool) { return e.after, true }

// serverWait is what the server behind err asked for, or zero.
func serverWait(err error) time.Duration {
	var e retryAfterer
	if !errors.As(err, &e) {
		return 0
	}
	d, ok := e.RetryAfter()
	if !ok {
		return 0
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

// The three forms of a date that RFC 9110, section 5.6.7, tells a recipient to
// accept; the first is the one that is sent today.
var httpDates = []string{
	"Mon, 02 Jan 2006 15:04:05 GMT",
	rfc850,
	time.ANSIC,
}

const rfc850 = "Monday, 02-Jan-06 15:04:05 GMT"

// ParseRetryAfter reads the value of an HTTP Retry-After header (RFC 9110,
// section 10.2.3): a number of seconds, or a date, which is taken against now.
// A date in the past is a wait of zero, and what is longer than the longest
// duration, 292 years, is that, however many digits it has. Spaces and tabs
// around value are left out. It reports false if value is neither.
func ParseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.Trim(value, " \t")
	if value != "" && strings.Trim(value, "0123456789") == "" {
		s, _ := strconv.ParseUint(value, 10, 64) // an error leaves the greatest number there is
		return time.Duration(min(s, math.MaxInt64/uint64(time.Second))) * time.Second, true
	}
	for _, layout := range httpDates {
		t, err := time.Parse(layout, value)
		if err != nil {
			continue
		}
		if layout == rfc850 {
			t = inCentury(t, now)
		}
		return max(t.Sub(now), 0), true
	}
	return 0, false
}

// inCentury is t in the century that its two digits of the year stand for: a date
// more than 50 years ahead is one of the past (RFC 9110, section 5.6.7).
func inCentury(t, now time.Time) time.Time {
	ahead := t.Year() - now.UTC().Year()
	nearest := ((ahead+49)%100+100)%100 - 49 // from -49 to 50
	return t.AddDate(nearest-ahead, 0, 0)
}
