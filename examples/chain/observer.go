package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// An outcome is how an attempt ended.
type outcome int

const (
	succeeded outcome = iota
	serverError
	serverBusy
	timedOut
	notThere
	other
	outcomes // how many there are
)

func (o outcome) String() string {
	switch o {
	case succeeded:
		return "succeeded"
	case serverError:
		return "got an error from the service (500)"
	case serverBusy:
		return "found the service busy (503), which said when to come back"
	case timedOut:
		return fmt.Sprintf("had no answer after %v", callTime)
	case notThere:
		return "asked for what does not exist (404): not retried"
	case other:
		return "ended otherwise"
	}
	panic("bug: no such outcome")
}

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return succeeded
	case errors.Is(err, middleware.ErrTimeout):
		return timedOut
	case errors.Is(err, errBusy):
		return serverBusy
	case errors.Is(err, errMissing):
		return notThere
	case errors.Is(err, errBroken):
		return serverError
	}
	return other
}

// An observer is told what happens in the pool, by hooks and by the breaker.
type observer struct {
	out   io.Writer
	began time.Time

	mu       sync.Mutex // guards the rest, and out
	attempts [outcomes]int
	putOff   int
	tries    map[int]int // jobs by the number of their attempts
	failed   map[outcome]int
	claims   int
	granted  map[slot.Slot]time.Time
	held     time.Duration
	backoff  time.Duration
}

func newObserver(out io.Writer) *observer {
	return &observer{
		out: out, began: time.Now(),
		tries: map[int]int{}, failed: map[outcome]int{}, granted: map[slot.Slot]time.Time{},
	}
}

// hooks are those of the pool.
func (o *observer) hooks() pool.Hooks {
	return pool.Hooks{
		Retry: func(_ context.Context, e pool.RetryEvent) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.backoff += e.Delay
			if e.NotYet { // the breaker is open: no attempt was made
				o.putOff++
			} else {
				o.attempts[outcomeOf(e.Err)]++
			}
		},
		Finish: func(_ context.Context, e pool.FinishEvent) {
			o.mu.Lock()
			defer o.mu.Unlock()
			if e.Running {
				o.attempts[outcomeOf(e.Err)]++
			}
			o.tries[e.Attempt]++
			if e.Err != nil {
				o.failed[outcomeOf(e.Err)]++
			}
		},
		Granted: func(e pool.SlotEvent) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.claims++
			o.granted[e.Slot] = e.At
		},
		Released: func(e pool.SlotEvent) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.held += e.At.Sub(o.granted[e.Slot])
			delete(o.granted, e.Slot)
		},
	}
}

// breaker is told of each change of the breaker's state.
func (o *observer) breaker(from, to gobreaker.State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(o.out, "%6.2f s  breaker %s\n", time.Since(o.began).Seconds(), change(from, to))
}

func change(from, to gobreaker.State) string {
	switch {
	case to == gobreaker.StateHalfOpen:
		return "half-open: a few calls may try"
	case to == gobreaker.StateClosed:
		return "closed: the service is well again"
	case from == gobreaker.StateHalfOpen:
		return "open again: the service is not well yet"
	}
	return fmt.Sprintf("open: %d failures in a row", openAfter)
}

// status is the exit status: only what does not exist may have failed.
func (o *observer) status() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	for kind, n := range o.failed {
		if kind != notThere && n > 0 {
			return exitFailed
		}
	}
	return exitOK
}

// summary says what happened.
func (o *observer) summary(slots int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var b bytes.Buffer
	jobs, total := 0, 0
	for n, count := range o.tries {
		jobs += count
		total += n * count
	}
	failed := 0
	for _, n := range o.failed {
		failed += n
	}
	fmt.Fprintf(&b, "\n%d calls in %.1f s: %d succeeded, %d failed\n%d attempts:\n", jobs, time.Since(o.began).Seconds(), jobs-failed, failed, total)
	for kind, n := range o.attempts {
		if n > 0 {
			fmt.Fprintf(&b, "%5d  %v\n", n, outcome(kind))
		}
	}
	o.writeTries(&b)
	fmt.Fprintf(&b, "%d times a call was put off by the open breaker, which is no attempt\n", o.putOff)
	fmt.Fprintf(&b, "%d slots were held for %.1f s in all, by %d claims\n", slots, o.held.Seconds(), o.claims)
	fmt.Fprintf(&b, "calls backed off for %.1f s in all, and gave their slots to others meanwhile:\n", o.backoff.Seconds())
	fmt.Fprintf(&b, "a loop that sleeps between attempts would have held them for %.1f s\n", (o.held + o.backoff).Seconds())
	return b.String()
}

// writeTries writes how many calls took how many attempts.
func (o *observer) writeTries(b *bytes.Buffer) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	counts, calls := "attempts\t", "calls\t"
	for n := 0; n <= attempts; n++ {
		if o.tries[n] > 0 {
			counts += fmt.Sprintf("%d\t", n)
			calls += fmt.Sprintf("%d\t", o.tries[n])
		}
	}
	fmt.Fprintf(w, "%s\n%s\n", counts, calls)
	w.Flush()
}
