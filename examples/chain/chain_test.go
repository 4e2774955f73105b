package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/examples/internal/programtest"
	"github.com/berth-go/berth/middleware"
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
	require.Equal(t, attempts, strings.Count(r.Err, " msg="), "a line of Log for each")
	sum := 0
	for _, kind := range regexp.MustCompile(`(?m)^ +(\d+)  [a-z]`).FindAllStringSubmatch(r.Out, -1) {
		n, err := strconv.Atoi(kind[1])
		require.NoError(t, err)
		sum += n
	}
	require.Equal(t, attempts, sum)
	require.NotContains(t, r.Out, other.String())
	for _, kind := range []outcome{succeeded, serverError, serverBusy, timedOut, refused, notThere} {
		require.Contains(t, r.Out, kind.String(), "the plan has some of each")
	}
	require.Contains(t, r.Out, "breaker open: ")
	require.Contains(t, r.Out, "breaker closed: ")
	require.Contains(t, r.Out, "gave their slots to others meanwhile")
}

func TestInterruptEndsTheRun(t *testing.T) {
	r := built.Start(t, "-rate", "1", "-v")
	require.Eventually(t, func() bool { return strings.Contains(r.Printed(), "200 calls") }, 20*time.Second, 10*time.Millisecond)
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

func TestPatientPolicyOutwaitsTheOpenBreaker(t *testing.T) {
	p := patient(middleware.MaxAttempts(2, middleware.Constant(time.Millisecond)))
	wait, again := p(1, 0, fmt.Errorf("refused: %w", gobreaker.ErrOpenState))
	require.True(t, again)
	require.Equal(t, openTime+time.Millisecond, wait)
	wait, again = p(1, 0, errBroken)
	require.True(t, again)
	require.Equal(t, time.Millisecond, wait)
	_, again = p(2, 0, gobreaker.ErrOpenState)
	require.False(t, again)
}
