package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGuardEndsWellBeforeTheLease(t *testing.T) {
	start := time.Now()
	for _, tc := range []struct{ length, usable time.Duration }{
		{500 * time.Millisecond, 245 * time.Millisecond},
		{time.Second, 740 * time.Millisecond},
		{4 * time.Second, 3710 * time.Millisecond},
		{5 * time.Second, 4700 * time.Millisecond}, // from here on a twentieth is the longer margin
		{10 * time.Second, 9400 * time.Millisecond},
		{33 * time.Second, 31020 * time.Millisecond},
		{60 * time.Second, 56400 * time.Millisecond},
		{time.Hour, 56*time.Minute + 24*time.Second},
	} {
		l := Lease{start, tc.length}
		require.Equal(t, tc.usable, l.Usable(), tc.length)
		require.Equal(t, start.Add(tc.usable), l.Guard())
	}
}

func TestLeaseIsOverByEitherClock(t *testing.T) {
	start := time.Now()
	l := Lease{start, 10 * time.Second}
	g := l.Guard()
	before, after := g.Add(-1), g
	require.False(t, l.Over(before, before))
	require.True(t, l.Over(after, after))
	require.True(t, l.Over(before, after), "the machine was suspended: only the wall clock went on")
	require.True(t, l.Over(after, start.Add(-time.Hour)), "the wall clock was set back: that extends nothing")
	require.False(t, l.Over(before, start.Add(-time.Hour)), "nor does it shorten anything")
}

func TestGrantIsOldAfterATenthOfItsLease(t *testing.T) {
	start := time.Now()
	l := Lease{start, 10 * time.Second}
	require.False(t, l.Spent(start, start.Add(time.Second-1)))
	require.True(t, l.Spent(start, start.Add(time.Second)))
}
