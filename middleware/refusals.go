package middleware

import (
	"math/rand/v2"
	"sync"
	"time"
)

// How long a refused job waits where nobody knows when it will be let through.
const (
	leastRefusal   = 100 * time.Millisecond
	longestRefusal = 10 * time.Second
)

// refusals say when a job that a breaker refuses should come back.
type refusals struct {
	timed   TimedBreaker  // nil if the breaker cannot say
	openFor time.Duration // zero if nobody has

	mu    sync.Mutex // guards what follows; the breaker is not called while it is held
	since time.Time  // of the first refusal since an attempt was let through; zero if there is none
	// failure is the last that the breaker was told of, but for those of attempts
	// that end while it is open: they have not opened it.
	failure time.Time
}

// failed notes that the breaker is about to be told of a failure.
func (r *refusals) failed(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() || !now.Before(r.failure.Add(r.openFor)) {
		r.failure = now
	}
}

// ended notes that an attempt is let through.
func (r *refusals) ended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since = time.Time{}
}

// next returns how long a job waits that the breaker has refused now.
func (r *refusals) next(now time.Time) time.Duration {
	at, refused := r.note(now)
	if r.timed != nil {
		if t, known := r.timed.RetryAt(); known {
			at = t
		}
	}
	if wait := at.Sub(now); wait > 0 {
		return addWaits(wait, 1+upTo(min(wait/10, time.Second))) // 1: past that time, and not at it
	}
	wait := min(max(refused, leastRefusal), longestRefusal)
	return wait + upTo(wait/2)
}

// note notes a refusal, and returns until when the breaker is open, as far as
// that is known, and for how long it has refused.
func (r *refusals) note(now time.Time) (until time.Time, refused time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since = now
	}
	if r.openFor > 0 && !r.failure.IsZero() {
		until = r.failure.Add(r.openFor)
	}
	return until, now.Sub(r.since)
}

// upTo returns a duration drawn evenly from 0 to d.
func upTo(d time.Duration) time.Duration { return evenly(rand.Int64N, d) }
