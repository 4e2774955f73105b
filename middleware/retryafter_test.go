package middleware_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/middleware"
)

func TestRetryAfterHeaderIsReadInAllItsForms(t *testing.T) {
	now := time.Date(1994, time.November, 6, 8, 49, 7, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0":                              0,
		"120":                            2 * time.Minute,
		"Sun, 06 Nov 1994 08:49:37 GMT":  30 * time.Second,
		"Sunday, 06-Nov-94 08:49:37 GMT": 30 * time.Second,
		"Sun Nov  6 08:49:37 1994":       30 * time.Second,
		"Sun, 06 Nov 1994 08:00:00 GMT":  0,
		"9223372036854775807":            math.MaxInt64 / time.Second * time.Second,
	} {
		d, ok := middleware.ParseRetryAfter(value, now)
		require.True(t, ok, value)
		require.Equal(t, want, d, value)
	}
	for _, value := range []string{"", "-1", "+5", "0x5", "1.5", "soon", "18446744073709551616 s", "Sun, 06 Nov 1994"} {
		_, ok := middleware.ParseRetryAfter(value, now)
		require.False(t, ok, value)
	}
}

func TestWithRetryAfterKeepsTheError(t *testing.T) {
	require.NoError(t, middleware.WithRetryAfter(nil, time.Second))
	err := middleware.WithRetryAfter(errFlaky, -time.Second)
	require.ErrorIs(t, err, errFlaky)
	var told interface{ RetryAfter() (time.Duration, bool) }
	require.ErrorAs(t, err, &told)
	d, ok := told.RetryAfter()
	require.True(t, ok)
	require.Zero(t, d)
}
