package middleware

import (
	"time"

	"github.com/berth-go/berth/pool"
)

// ErrTimeout is [pool.ErrTimeLimit]: the cause of an attempt's context that [Timeout]
// ended, matched by what the attempt fails with. It matches
// [context.DeadlineExceeded] too.
var ErrTimeout = pool.ErrTimeLimit

// Timeout ends the context of each attempt after d, with a cause that matches
// [ErrTimeout]. A job that ignores its context runs on, and is reported after the
// grace of [pool.WithGrace]; one that returns nil after its time was up has succeeded
// all the same. d must be above zero.
//
// In the chain: innermost, inside [Retry], so that each attempt has the whole of
// d, and inside [RateLimit], so that waiting for a turn does not use it up.
// Outside Retry an attempt that timed out looks like a cancelled job to Retry, and
// is its last. What bounds all attempts together is [MaxElapsed], or the context
// given to SubmitContext. For one job alone there is [pool.TimeLimit].
func Timeout(d time.Duration) pool.Middleware {
	if d <= 0 {
		return misuse("Timeout(%v): give a time above zero", d)
	}
	return func(next pool.Job) pool.Job { return pool.Limited(next, d) }
}
