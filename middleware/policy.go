package middleware

import (
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/berth-go/berth/slot"
)

// A Policy says whether an attempt that failed is followed by another, and
// after what wait. attempt counts from 1, elapsed is the time since the first
// attempt began, and err is what the attempt failed with: it matches
// [slot.ErrLost] where the slot was lost, and a *pool.PanicError where the
// job panicked and [RetryPanics] was given. A policy is called by many jobs at
// once and must not block.
//
// The nil policy is what the constructors of this package return for arguments
// that make no sense; [Retry] refuses it.
type Policy func(attempt int, elapsed time.Duration, err error) (wait time.Duration, again bool)

// Exponential retries without end. The wait before attempt n+1 is drawn evenly
// from zero to min × 2ⁿ⁻¹, at most max: "full jitter", which spreads jobs that
// failed together over the whole interval (Marc Brooker, "Exponential Backoff
// And Jitter", AWS Architecture Blog, 2015). It does not retry a lost slot: the
// job may have done half its work, and only its author knows whether that can
// be done again (see [RetryLost]).
//
// It returns nil unless 0 < min ≤ max and no option is nil.
func Exponential(min, max time.Duration, opts ...JitterOption) Policy {
	if min <= 0 || max < min {
		return nil
	}
	j := jitter{below: rand.Int64N}
	for _, opt := range opts {
		if opt == nil {
			return nil
		}
		opt(&j)
	}
	return func(attempt int, _ time.Duration, err error) (time.Duration, bool) {
		if errors.Is(err, slot.ErrLost) && !lostAllowed(err) {
			return 0, false
		}
		return evenly(j.below, ceiling(min, max, attempt)), true
	}
}

// evenly returns a duration drawn evenly from 0 to most, by below, which draws
// from [0, n).
func evenly(below func(n int64) int64, most time.Duration) time.Duration {
	if most == math.MaxInt64 {
		most-- // or there were no n
	}
	return time.Duration(below(int64(most) + 1))
}

// ceiling is min doubled with each attempt after the first, at most max. It
// halves max instead of doubling min, which cannot overflow.
func ceiling(min, max time.Duration, attempt int) time.Duration {
	for ; attempt > 1; attempt-- {
		if min > max/2 {
			return max
		}
		min *= 2
	}
	return min
}

// A JitterOption changes where [Exponential] takes its randomness from.
type JitterOption func(*jitter)

type jitter struct {
	below func(n int64) int64 // evenly from [0, n); safe for concurrent use
}

// Seed makes the waits repeat from run to run. Jobs that run at the same time
// draw from one sequence, so that which job gets which wait still depends on
// their order.
func Seed(seed uint64) JitterOption {
	var mu sync.Mutex // guards rnd
	rnd := rand.New(rand.NewPCG(seed, 0))
	return func(j *jitter) {
		j.below = func(n int64) int64 {
			mu.Lock()
			defer mu.Unlock()
			return rnd.Int64N(n)
		}
	}
}

// Constant retries without end, d after each failure. Like [Exponential] it
// does not retry a lost slot. It returns nil if d is negative.
func Constant(d time.Duration) Policy {
	if d < 0 {
		return nil
	}
	return func(_ int, _ time.Duration, err error) (time.Duration, bool) {
		if errors.Is(err, slot.ErrLost) && !lostAllowed(err) {
			return 0, false
		}
		return d, true
	}
}

// MaxAttempts is p until n attempts have been made, the first one counted. It
// returns nil if n is below 1 or p is nil.
func MaxAttempts(n int, p Policy) Policy {
	if n < 1 || p == nil {
		return nil
	}
	return func(attempt int, elapsed time.Duration, err error) (time.Duration, bool) {
		if attempt >= n {
			return 0, false
		}
		return p(attempt, elapsed, err)
	}
}

// MaxElapsed is p as long as the next attempt could begin within d of the first
// one's begin; the wait that a server asked for counts, and the time for which the
// job was put off. It is asked after attempts only: a job that is put off is not
// ended by it. An attempt that has
// begun is not cut short: that is [Timeout]'s work. It returns nil if d is not
// above zero or p is nil.
func MaxElapsed(d time.Duration, p Policy) Policy {
	if d <= 0 || p == nil {
		return nil
	}
	return func(attempt int, elapsed time.Duration, err error) (time.Duration, bool) {
		wait, again := p(attempt, elapsed, err)
		elapsed = max(elapsed, 0)
		if !again || elapsed > d || addWaits(max(wait, 0), serverWait(err, time.Now())) > d-elapsed {
			return 0, false
		}
		return wait, true
	}
}

// RetryLost is p for jobs that may be run again after their slot was lost,
// because doing half their work twice does no harm. It returns nil if p is nil.
func RetryLost(p Policy) Policy {
	if p == nil {
		return nil
	}
	return func(attempt int, elapsed time.Duration, err error) (time.Duration, bool) {
		return p(attempt, elapsed, allowLost{err})
	}
}

// allowLost tells the policies below that a lost slot is as good a reason to
// try again as any other.
type allowLost struct{ error }

func (e allowLost) Unwrap() error { return e.error }

func lostAllowed(err error) bool {
	var allowed allowLost
	return errors.As(err, &allowed)
}

// Permanent marks err as one that no other attempt can mend: [Retry] returns
// it whatever the policy says. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

type permanent struct{ error }

func (e *permanent) Unwrap() error { return e.error }

func isPermanent(err error) bool {
	var p *permanent
	return errors.As(err, &p)
}
