package middleware_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
)

const longest = time.Duration(math.MaxInt64)

var (
	extremeWaits    = []time.Duration{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, longest / 2, longest - 1, longest}
	extremeAttempts = []int{math.MinInt, -1, 0, 1, 2, 62, 63, 64, 65, math.MaxInt - 1, math.MaxInt}
)

// serverSays is an error that tells a wait as it is.
type serverSays time.Duration

func (s serverSays) Error() string                     { return "busy" }
func (s serverSays) RetryAfter() (time.Duration, bool) { return time.Duration(s), true }

func TestNoPolicyOverflows(t *testing.T) {
	wild := func(wait time.Duration) middleware.Policy {
		return func(int, time.Duration, error) (time.Duration, bool) { return wait, true }
	}
	policies := map[string]middleware.Policy{
		"all of it":        middleware.Exponential(longest, longest),
		"from a second":    middleware.Exponential(time.Second, longest),
		"from a moment":    middleware.Exponential(1, longest-1, middleware.Seed(1)),
		"the longest":      middleware.Constant(longest),
		"most attempts":    middleware.MaxAttempts(math.MaxInt, middleware.Constant(1)),
		"the longest time": middleware.MaxElapsed(longest, middleware.Constant(longest)),
		"a moment":         middleware.MaxElapsed(1, middleware.Constant(1)),
		"all together":     middleware.RetryLost(middleware.MaxElapsed(longest, middleware.MaxAttempts(math.MaxInt, middleware.Exponential(1, longest)))),
	}
	for name, p := range policies {
		require.NotNil(t, p, name)
		for _, attempt := range extremeAttempts {
			for _, elapsed := range extremeWaits {
				for _, says := range extremeWaits {
					wait, again := p(attempt, elapsed, serverSays(says))
					require.GreaterOrEqual(t, wait, time.Duration(0), name)
					require.True(t, again || name != "the longest" && name != "from a second")
				}
			}
		}
	}
	for _, elapsed := range extremeWaits {
		for _, says := range extremeWaits {
			for _, wait := range extremeWaits {
				_, again := middleware.MaxElapsed(time.Hour, wild(wait))(1, elapsed, serverSays(says))
				fits := max(elapsed, 0) <= time.Hour && max(wait, 0) <= time.Hour && max(says, 0) <= time.Hour && max(elapsed, 0)+max(wait, 0)+max(says, 0) <= time.Hour
				require.Equal(t, fits, again, "%d %d %d", elapsed, says, wait)
			}
		}
	}
}

func TestARetryNeverComesBackInThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where what is said now is said at that moment
		for _, wait := range extremeWaits {
			for _, says := range extremeWaits {
				for name, err := range map[string]error{"its own": serverSays(says), "ours": middleware.WithRetryAfter(errFlaky, says)} {
					retry := middleware.Retry(func(int, time.Duration, error) (time.Duration, bool) { return wait, true })
					got, _, ok := pool.AsRetry(retry(func(context.Context) error { return err })(context.Background()))
					require.True(t, ok)
					want := max(wait, 0)
					if says > 0 {
						if want += says; want < 0 {
							want = longest
						}
					}
					require.Equal(t, want, got, "%s: %d and %d", name, wait, says)
				}
			}
		}
	})
}

func TestTheLongestTimesOfMiddlewareNeverCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1, pool.Use(
			middleware.Retry(middleware.Constant(longest)),
			middleware.CircuitBreaker(&fuse{threshold: 1, probes: 1, open: 100 * 365 * 24 * time.Hour}, middleware.OpenFor(longest)),
			middleware.Timeout(longest),
		))
		require.NoError(t, p.Submit(func(ctx context.Context) error {
			time.Sleep(time.Hour)
			return ctx.Err()
		}).Wait(context.Background()))
		fails := p.Submit(func(context.Context) error { return errFlaky })
		time.Sleep(time.Hour)
		refused := p.Submit(nothing)
		time.Sleep(50 * 365 * 24 * time.Hour)
		require.EqualValues(t, 2, p.Stats().Waiting)
		require.EqualValues(t, 1, p.Stats().NotYet)
		fails.Cancel()
		refused.Cancel()
	})
}

func TestBudgetsAtTheirBounds(t *testing.T) {
	for _, c := range []struct {
		tokens int
		ratio  float64
		ok     bool
	}{
		{1, 0.001, true}, {1, 1, true}, {1000, 1000, true},
		{math.MinInt, 0.1, false}, {math.MaxInt, 0.1, false}, {math.MaxInt/1000 + 2, 0.1, false}, {0, 0.1, false}, {1001, 1, false},
		{1, math.NaN(), false}, {1, math.Inf(1), false}, {1, math.Inf(-1), false}, {1, math.SmallestNonzeroFloat64, false}, {1, math.MaxFloat64, false}, {1, 1.001, false},
	} {
		_, err := pool.New(1, pool.Use(middleware.Retry(middleware.Constant(0), middleware.WithBudget(middleware.NewBudget(c.tokens, c.ratio)))))
		require.Equal(t, c.ok, err == nil, "%+v: %v", c, err)
	}
}

func TestRetryAfterHeadersAtTheirBounds(t *testing.T) {
	now := time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		" 120 ":                          2 * time.Minute,
		"\t0\t":                          0,
		"0000000000000000000000000120":   2 * time.Minute,
		"9223372036":                     9223372036 * time.Second,
		"9223372037":                     9223372036 * time.Second, // the most whole seconds of a duration
		"9223372036854775807":            9223372036 * time.Second,
		"9223372036854775808":            9223372036 * time.Second,
		"18446744073709551616":           9223372036 * time.Second,
		strings.Repeat("9", 1000):        9223372036 * time.Second, // who asks for that does not mean "at once"
		"Fri, 31 Dec 9999 23:59:59 GMT":  longest,
		"Mon, 01 Jan 0001 00:00:00 GMT":  0,
		"Thu, 01 Jan 1970 00:00:00 GMT":  0,
		" Tue, 24 Nov 2026 12:00:01 GMT": time.Second,
		// Two digits of a year: at most 50 years ahead, and else in the past.
		"Tuesday, 24-Nov-26 12:00:01 GMT": time.Second,
		"Tuesday, 24-Nov-69 12:00:00 GMT": time.Date(2069, time.November, 24, 12, 0, 0, 0, time.UTC).Sub(now),
		"Tuesday, 24-Nov-76 12:00:00 GMT": time.Date(2076, time.November, 24, 12, 0, 0, 0, time.UTC).Sub(now),
		"Tuesday, 24-Nov-77 12:00:00 GMT": 0,
		"Tuesday, 24-Nov-99 12:00:00 GMT": 0,
		"Tuesday, 24-Nov-00 12:00:00 GMT": 0,
	} {
		got, ok := middleware.ParseRetryAfter(value, now)
		require.True(t, ok, value)
		require.Equal(t, want, got, value)
	}
	for _, value := range []string{
		"-0", "-1", "+1", "1e3", "1_000", "1 2", "0x10", "１２０", "120\n", "\n120", "120s", "NaN", "Inf", " ", "\x00", "-9223372036854775808",
		"", "18446744073709551616s", "Fri, 31 Dec 10000 23:59:59 GMT", "Tue, 24 Nov 2026 12:00:01 CET", "2026-11-24T12:00:00Z",
		"Tue, 24 Nov 2026 25:00:01 GMT", "Tue, 30 Feb 2026 12:00:01 GMT",
	} {
		_, ok := middleware.ParseRetryAfter(value, now)
		require.False(t, ok, "%q", value)
	}
	for _, at := range []time.Time{{}, time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0), time.Unix(-1<<55, 0), time.Unix(1<<55, 0)} {
		for _, value := range []string{"120", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
			got, ok := middleware.ParseRetryAfter(value, at)
			require.True(t, ok)
			require.GreaterOrEqual(t, got, time.Duration(0))
		}
	}
}

// What is read is never negative, a number is what it says, and a date is the time
// from now until then, whenever now is.
func FuzzParseRetryAfter(f *testing.F) {
	for _, value := range []string{
		"0", "120", " 7\t", "-1", "9223372036854775807", "18446744073709551616", "1.5", "Fri, 31 Dec 9999 23:59:59 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sunday, 29-Feb-00 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
	} {
		f.Add(value, int64(0))
		f.Add(value, int64(1790000000))
	}
	f.Fuzz(func(t *testing.T, value string, unix int64) {
		now := time.Unix(unix, 0)
		d, ok := middleware.ParseRetryAfter(value, now)
		if d < 0 || d > 0 && !ok {
			t.Fatalf("%q at %v: %v, %v", value, now, d, ok)
		}
		later, again := middleware.ParseRetryAfter(value, now.Add(time.Second))
		if ok != again {
			t.Fatalf("%q is read at %v: %v, and a second later: %v", value, now, ok, again)
		}
		if err := middleware.WithRetryAfter(errFlaky, d); !errors.Is(err, errFlaky) {
			t.Fatal(err)
		}
		// Two digits of a year may mean another century a second later.
		if century := 36500 * 24 * time.Hour; ok && d != later && d-later > time.Second && d < century-time.Hour {
			t.Fatalf("%q is %v at %v, and %v a second later", value, d, now, later)
		}
	})
}
