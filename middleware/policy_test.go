package middleware_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/slot"
)

var errFlaky = errors.New("flaky")

// most is the longest of many waits after the given attempt.
func most(p middleware.Policy, attempt int) (longest time.Duration) {
	for range 2000 {
		wait, _ := p(attempt, 0, errFlaky)
		longest = max(longest, wait)
	}
	return longest
}

func TestExponentialDrawsEvenlyBelowACeilingThatDoubles(t *testing.T) {
	p := middleware.Exponential(100*time.Millisecond, time.Second, middleware.Seed(7))
	for attempt, ceiling := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 3: 400 * time.Millisecond,
		4: 800 * time.Millisecond, 5: time.Second, 6: time.Second, 64: time.Second, math.MaxInt: time.Second,
	} {
		longest := most(p, attempt)
		require.LessOrEqual(t, longest, ceiling, "attempt %d", attempt)
		require.Greater(t, longest, ceiling*9/10, "attempt %d", attempt)
	}
	var sum time.Duration
	for range 2000 {
		wait, again := p(5, 0, errFlaky)
		require.True(t, again)
		sum += wait
	}
	require.InDelta(t, 0.5, (sum / 2000).Seconds(), 0.05, "full jitter: half of the ceiling on average")
}

func TestExponentialNeverOverflows(t *testing.T) {
	p := middleware.Exponential(1, math.MaxInt64-1)
	for attempt := 1; attempt < 200; attempt++ {
		wait, again := p(attempt, 0, errFlaky)
		require.True(t, again)
		require.GreaterOrEqual(t, wait, time.Duration(0))
	}
}

func TestTheSameSeedGivesTheSameWaits(t *testing.T) {
	draw := func(seed uint64) (waits []time.Duration) {
		p := middleware.Exponential(time.Second, time.Hour, middleware.Seed(seed))
		for attempt := range 10 {
			wait, _ := p(attempt+1, 0, errFlaky)
			waits = append(waits, wait)
		}
		return waits
	}
	require.Equal(t, draw(1), draw(1))
	require.NotEqual(t, draw(1), draw(2))
}

func TestMaxAttemptsCountsTheFirst(t *testing.T) {
	p := middleware.MaxAttempts(3, middleware.Constant(time.Second))
	for attempt, want := range map[int]bool{1: true, 2: true, 3: false, 4: false} {
		_, again := p(attempt, 0, errFlaky)
		require.Equal(t, want, again, "attempt %d", attempt)
	}
}

func TestMaxElapsedRefusesAnAttemptThatWouldBeginTooLate(t *testing.T) {
	p := middleware.MaxElapsed(10*time.Second, middleware.Constant(time.Second))
	for elapsed, want := range map[time.Duration]bool{0: true, 9 * time.Second: true, 9*time.Second + 1: false, time.Hour: false} {
		_, again := p(1, elapsed, errFlaky)
		require.Equal(t, want, again, "elapsed %v", elapsed)
	}
	_, again := p(1, 0, middleware.WithRetryAfter(errFlaky, 10*time.Second))
	require.False(t, again, "the server's wait counts")
}

func TestALostSlotIsRetriedOnlyIfThePolicySaysSo(t *testing.T) {
	lost := fmt.Errorf("%w: %w", slot.ErrLost, errFlaky)
	for name, p := range map[string]middleware.Policy{
		"exponential": middleware.Exponential(time.Second, time.Minute),
		"constant":    middleware.MaxElapsed(time.Hour, middleware.MaxAttempts(9, middleware.Constant(time.Second))),
	} {
		_, again := p(1, 0, lost)
		require.False(t, again, name)
		_, again = middleware.RetryLost(p)(1, 0, lost)
		require.True(t, again, name)
		_, again = p(1, 0, errFlaky)
		require.True(t, again, name)
	}
}

func TestPermanentKeepsTheError(t *testing.T) {
	require.NoError(t, middleware.Permanent(nil))
	err := middleware.Permanent(errFlaky)
	require.ErrorIs(t, err, errFlaky)
	require.Equal(t, "flaky", err.Error())
}

func TestConstructorsOfPoliciesRefuseNonsense(t *testing.T) {
	for name, p := range map[string]middleware.Policy{
		"no min":            middleware.Exponential(0, time.Second),
		"max below min":     middleware.Exponential(time.Second, time.Millisecond),
		"negative constant": middleware.Constant(-1),
		"no attempts":       middleware.MaxAttempts(0, middleware.Constant(1)),
		"no time":           middleware.MaxElapsed(0, middleware.Constant(1)),
		"around nil":        middleware.MaxAttempts(2, middleware.MaxElapsed(1, middleware.RetryLost(nil))),
	} {
		require.Nil(t, p, name)
	}
}
