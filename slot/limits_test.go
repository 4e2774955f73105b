package slot_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestAKeyMeansTheSemaphoreAndTheLimitThatTheLimitsSay(t *testing.T) {
	plans := map[string]int{"free": 1, "paid": 10}
	byPlan := slot.LimitBy(func(key string) (string, int, error) { return "plan:" + key, plans[key], nil })
	for _, c := range []struct {
		limits slot.Limits
		key    string
		name   string
		n      int
	}{
		{slot.Fixed("crawl", 12), "", "crawl", 12},
		{slot.Fixed("crawl", 12), "example.com", "crawl", 12},
		{slot.Keyed("host:", 2), "example.com", "host:example.com", 2},
		{slot.Keyed("", 2), "example.com", "example.com", 2},
		{byPlan, "free", "plan:free", 1},
		{byPlan, "paid", "plan:paid", 10},
	} {
		require.NoError(t, c.limits.Check())
		name, n, err := c.limits.Of(c.key)
		require.NoError(t, err)
		require.Equal(t, c.name, name)
		require.Equal(t, c.n, n)
	}
	plans["free"] = 3
	_, n, err := byPlan.Of("free")
	require.NoError(t, err)
	require.Equal(t, 3, n, "the function is asked for each claim")
}

func TestLimitsThatCannotWorkAreRefusedBeforeTheFirstClaim(t *testing.T) {
	for _, c := range []struct {
		limits slot.Limits
		want   string
	}{
		{slot.Limits{}, "no limits are given"},
		{slot.Fixed("k", 0), "the limit is 0: it must be 1 or more"},
		{slot.Keyed("k", -1), "the limit is -1"},
		{slot.Fixed("", 1), "is empty"},
		{slot.LimitBy(nil), "the function of slot.LimitBy is nil"},
	} {
		err := c.limits.Check()
		require.ErrorContains(t, err, c.want)
		require.True(t, slot.IsPermanent(err), "%v", err)
	}
}

func TestWhateverAFunctionOfLimitByDoesCostsItsClaimOneClearError(t *testing.T) {
	errX := errors.New("no such customer")
	away := fmt.Errorf("the configuration cannot be read: %w", slot.ErrUnavailable)
	returns := func(name string, n int, err error) func() (string, int, error) {
		return func() (string, int, error) { return name, n, err }
	}
	for _, c := range []struct {
		what      string
		f         func() (string, int, error)
		want      string
		is        error
		permanent bool
	}{
		{"an error", returns("k", 1, errX), `has no limit for key "k": no such customer`, errX, true},
		{"an error that waiting can cure", returns("k", 1, away), "cannot be read", slot.ErrUnavailable, false},
		{"an empty name", returns("", 1, nil), "an empty name", slot.ErrKey, true},
		{"a limit below 1", returns("k", 0, nil), "the limit 0", nil, true},
		{"a panic", func() (string, int, error) { panic("boom") }, "it panicked: boom", nil, true},
		{"a panic with nil", func() (string, int, error) { panic(nil) }, "it panicked", nil, true},
		{"the end of its goroutine", func() (string, int, error) { runtime.Goexit(); return "", 0, nil }, "it ended its goroutine", nil, true},
	} {
		limits := slot.LimitBy(func(string) (string, int, error) { return c.f() })
		require.NoError(t, limits.Check())
		name, n, err := limits.Of("k")
		require.ErrorContains(t, err, c.want, c.what)
		require.Empty(t, name, c.what)
		require.Zero(t, n, c.what)
		require.Equal(t, c.permanent, slot.IsPermanent(err), c.what)
		if c.is != nil {
			require.ErrorIs(t, err, c.is, c.what)
		}
	}
}

func TestAKeyedLimitNeedsAKey(t *testing.T) {
	_, _, err := slot.Keyed("host:", 1).Of("")
	require.ErrorIs(t, err, slot.ErrKey)
	require.True(t, slot.IsPermanent(err))
}
