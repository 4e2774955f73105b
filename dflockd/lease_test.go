package dflockd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGuardEndsWellBeforeTheLease(t *testing.T) {
	start := time.Now()
	for _, tc := range []struct{ length, usable time.Duration }{
		{time.Second, 740 * time.Millisecond},
		{4 * time.Second, 3710 * time.Millisecond},
		{5 * time.Second, 4700 * time.Millisecond},
		{60 * time.Second, 56400 * time.Millisecond},
	} {
		l := lease{start, tc.length}
		require.Equal(t, tc.usable, l.usable(), tc.length)
		require.Equal(t, start.Add(tc.usable), l.guard())
	}
}

func TestHeartbeatLeavesTimeForTwoAnswersBeforeTheGuard(t *testing.T) {
	for _, ratio := range []float64{1e-9, 0.01, 0.5, 0.99} {
		for _, readTimeout := range []time.Duration{0, time.Second, 23 * time.Second} {
			for length := time.Second; length < 200*time.Second; length += time.Second {
				p, l := pace{ratio, readTimeout}, lease{time.Now(), length}
				beat, answer := p.beat(length), p.answer(l)
				require.Positive(t, beat)
				require.Positive(t, answer)
				require.LessOrEqual(t, beat, length/3)
				require.LessOrEqual(t, beat, 7*time.Second)
				require.GreaterOrEqual(t, beat, 100*time.Millisecond)
				require.LessOrEqual(t, beat, max(100*time.Millisecond, time.Duration(ratio*float64(length))))
				if readTimeout > 0 {
					require.LessOrEqual(t, beat, readTimeout/3)
				}
				require.LessOrEqual(t, answer, 2*time.Second)
				require.LessOrEqual(t, beat+2*answer, l.usable())
			}
		}
	}
}

func TestShortestLeaseHasRoomForARenewal(t *testing.T) {
	p, l := pace{ratio: 0.5}, lease{time.Now(), time.Second}
	require.InDelta(t, 333*time.Millisecond, p.beat(l.length), float64(time.Millisecond))
	require.InDelta(t, 203*time.Millisecond, p.answer(l), float64(time.Millisecond))
}

func TestLeaseIsOverByEitherClock(t *testing.T) {
	start := time.Now()
	l := lease{start, 10 * time.Second}
	g := l.guard()
	before, after := g.Add(-1), g
	require.False(t, l.over(before, before))
	require.True(t, l.over(after, after))
	require.True(t, l.over(before, after), "the machine was suspended: only the wall clock went on")
	require.True(t, l.over(after, start.Add(-time.Hour)), "the wall clock was set back: that extends nothing")
}

func TestGrantIsOldAfterATenthOfItsLease(t *testing.T) {
	start := time.Now()
	l := lease{start, 10 * time.Second}
	require.False(t, l.spent(start, start.Add(time.Second-1)))
	require.True(t, l.spent(start, start.Add(time.Second)))
}
