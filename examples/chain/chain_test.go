package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/examples/internal/programtest"
	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// built is the program as its users run it.
var built *programtest.Program

func TestMain(m *testing.M) {
	var err error
	if built, err = programtest.Build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		built.Remove()
		os.Exit(status)
	}))
}

func number(t *testing.T, text, pattern string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	require.Len(t, found, 2, pattern)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

func TestCallsEndAsPlannedAndTheAttemptsAddUp(t *testing.T) {
	r, status := built.Run(t, "-v")
	require.Equal(t, exitOK, status)
	missed := 0
	for i := range 200 {
		if fateOf(1, fmt.Sprintf("item-%d", i+1), 1) == missing {
			missed++
		}
	}
	require.Positive(t, missed)
	require.Equal(t, 200-missed, number(t, r.Out, `(\d+) succeeded, `))
	require.Equal(t, missed, number(t, r.Out, `, (\d+) failed`))

	attempts := number(t, r.Out, `(\d+) attempts:`)
	putOff := number(t, r.Out, `(\d+) times a call was put off`)
	require.Positive(t, putOff)
	require.Equal(t, attempts+putOff, strings.Count(r.Err, " msg="), "a line of Log for each")
	require.Equal(t, putOff, strings.Count(r.Err, `msg="job is put off"`))
	sum := 0
	for _, kind := range regexp.MustCompile(`(?m)^ +(\d+)  [a-z]`).FindAllStringSubmatch(r.Out, -1) {
		n, err := strconv.Atoi(kind[1])
		require.NoError(t, err)
		sum += n
	}
	require.Equal(t, attempts, sum)
	require.NotContains(t, r.Out, other.String())
	for _, kind := range []outcome{succeeded, serverError, serverBusy, timedOut, notThere} {
		require.Contains(t, r.Out, kind.String(), "the plan has some of each")
	}
	require.Contains(t, r.Out, "breaker open: ")
	require.Contains(t, r.Out, "breaker closed: ")
	require.Contains(t, r.Out, "gave their slots to others meanwhile")
}

func TestInterruptEndsTheRun(t *testing.T) {
	r := built.Start(t, "-rate", "1", "-v")
	require.Eventually(t, func() bool { return strings.Contains(r.Printed(), "200 calls") }, time.Minute, 10*time.Millisecond)
	r.Signal(syscall.SIGINT)
	require.Equal(t, exitInterrupted, r.Wait())
	require.Contains(t, r.Out, "interrupted\n")
}

func TestBadInputEndsWithOneLine(t *testing.T) {
	for _, args := range []string{"-calls 0", "-workers -1", "-slots 0", "-rate 0", "-rate 100001", "-seed x", "-frobnicate", "extra"} {
		r, status := built.Run(t, strings.Fields(args)...)
		require.Equal(t, exitUsage, status, args)
		require.Equal(t, 1, strings.Count(r.Err, "\n"), args)
		require.True(t, strings.HasPrefix(r.Err, "chain: "), args)
		require.Empty(t, r.Out, args)
	}
	r, status := built.Run(t, "-h")
	require.Equal(t, exitOK, status)
	require.Contains(t, r.Out, "Usage: chain")
}

func TestPlanFollowsTheSeed(t *testing.T) {
	var count [missing + 1]int
	for i := range 2000 {
		item := fmt.Sprint("item-", i)
		require.Equal(t, fateOf(3, item, 1), fateOf(3, item, 1))
		count[fateOf(3, item, 1)]++
		if fateOf(3, item, 1) == missing {
			require.Equal(t, missing, fateOf(3, item, 2), "missing once, missing always")
		}
	}
	require.Greater(t, count[fine], 1500)
	for kind, n := range count {
		require.Positive(t, n, "fate %d", kind)
	}
}

func TestServiceIsDownForAWhileAndWellAfterwards(t *testing.T) {
	s, err := startService(1)
	require.NoError(t, err)
	defer s.close()
	for range outageAfter - 1 {
		s.next("item")
	}
	for range 50 {
		require.Equal(t, broken, s.next("other"))
	}
	s.downUntil = time.Now()
	fates := map[fate]int{}
	for i := range 100 {
		fates[s.next(fmt.Sprint("item-", i))]++
	}
	require.Greater(t, fates[fine], 50)
}

func TestCallTellsRetryWhatItNeedsToKnow(t *testing.T) {
	s, err := startService(1)
	require.NoError(t, err)
	defer s.close()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	// find returns an item whose first request has the fate.
	find := func(want fate) string {
		for i := 0; ; i++ {
			if item := fmt.Sprint("x", i); fateOf(1, item, 1) == want {
				return item
			}
		}
	}
	try := func(f fate) error { return call(t.Context(), client, s.url(find(f))) }
	require.NoError(t, try(fine))
	require.Equal(t, serverError, outcomeOf(try(broken)))
	require.Equal(t, notThere, outcomeOf(try(missing)))
	err = try(busy)
	require.Equal(t, serverBusy, outcomeOf(err))
	var after interface{ RetryAfter() (time.Duration, bool) }
	require.ErrorAs(t, err, &after)
	wait, ok := after.RetryAfter()
	require.True(t, ok)
	require.Equal(t, time.Second, wait)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	require.ErrorIs(t, call(ctx, client, s.url(find(hanging))), context.Canceled)
}

// The chain of Retry's documentation with gobreaker as it is by default, but for
// what is said: it is open for 60 s after six failures in a row, and lets one probe
// through then.
func gobreakerChain(breaker middleware.Breaker, opts ...middleware.BreakerOption) pool.Option {
	return pool.Use(
		middleware.Retry(middleware.MaxAttempts(5, middleware.Exponential(100*time.Millisecond, 10*time.Second))),
		middleware.CircuitBreaker(breaker, opts...),
		middleware.Timeout(30*time.Second),
	)
}

func TestNoCallIsLostInAnOutageWithGobreaker(t *testing.T) {
	for name, opts := range map[string][]middleware.BreakerOption{
		"as it is":      nil,
		"OpenFor":       {middleware.OpenFor(time.Minute)},
		"ThreeOutcomes": {middleware.OpenFor(time.Minute), middleware.ThreeOutcomes()},
	} {
		for _, outage := range []time.Duration{300 * time.Millisecond, 20 * time.Second, 10 * time.Minute} {
			t.Run(fmt.Sprint(name, " ", outage), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					breaker := gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{IsExcluded: isNeither})
					p, err := pool.New(8, pool.WithSlots(slot.NewLocal(4)), gobreakerChain(breaker, opts...))
					require.NoError(t, err)
					begin := time.Now()
					var calls atomic.Int64
					for range 100 {
						require.NoError(t, p.Go(func(context.Context) error {
							calls.Add(1)
							time.Sleep(10 * time.Millisecond)
							if time.Since(begin) < outage {
								return errBroken
							}
							return nil
						}))
					}
					require.NoError(t, p.Wait(t.Context()))
					require.LessOrEqual(t, calls.Load(), int64(130))
					require.Equal(t, gobreaker.StateClosed, breaker.State())
					require.NoError(t, p.Shutdown(t.Context()))
				})
			})
		}
	}
}

func isNeither(err error) bool { return errors.Is(err, middleware.ErrNeither) }

func TestACancelledProbeTellsGobreakerNothing(t *testing.T) {
	for name, c := range map[string]struct {
		settings gobreaker.Settings
		opts     []middleware.BreakerOption
	}{
		"as it is":               {},
		"three probes":           {settings: gobreaker.Settings{MaxRequests: 3}},
		"it excludes ErrNeither": {gobreaker.Settings{IsExcluded: isNeither}, []middleware.BreakerOption{middleware.ThreeOutcomes()}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				breaker := gobreaker.NewTwoStepCircuitBreaker[any](c.settings)
				p, err := pool.New(1, pool.Use(middleware.CircuitBreaker(breaker, c.opts...)))
				require.NoError(t, err)
				fail := func() { p.Submit(func(context.Context) error { return errBroken }).Wait(t.Context()) }
				cancelled := func() {
					task := p.Submit(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
					synctest.Wait()
					task.Cancel()
					require.ErrorIs(t, task.Wait(t.Context()), pool.ErrCanceled)
				}
				for range 5 {
					fail()
					cancelled()
				}
				require.Equal(t, gobreaker.StateClosed, breaker.State(), "cancelled calls do not open it")
				fail()
				require.Equal(t, gobreaker.StateOpen, breaker.State(), "nor do they hide that six in a row have failed")
				time.Sleep(time.Minute + 1)
				for range 10 {
					cancelled()
					require.Equal(t, gobreaker.StateHalfOpen, breaker.State())
				}
				for range max(c.settings.MaxRequests, 1) {
					require.NoError(t, p.Submit(func(context.Context) error { return nil }).Wait(t.Context()))
				}
				require.Equal(t, gobreaker.StateClosed, breaker.State())
				require.NoError(t, p.Shutdown(t.Context()))
			})
		})
	}
}
