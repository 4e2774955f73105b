package gcra_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/gcra"
)

// starts returns when starts come that are wanted at any time, of the paces that next
// returns, until the end.
func starts(clock *gcra.Clock, now, end time.Duration, next func() gcra.Pace) (at []time.Duration, paces []gcra.Pace) {
	for {
		p := next()
		now = max(now, clock.Ready(p))
		if now >= end {
			return at, paces
		}
		clock.Take(now, p)
		at, paces = append(at, now), append(paces, p)
	}
}

func TestInAnyWindowThereAreABurstAndAsManyAsTheRateAllows(t *testing.T) {
	for burst := int64(1); burst <= 5; burst++ {
		t.Run(fmt.Sprint(burst), func(t *testing.T) {
			var clock gcra.Clock
			p := gcra.Pace{Interval: 7 * time.Millisecond, Burst: burst}
			at, _ := starts(&clock, 0, time.Second, func() gcra.Pace { return p })
			later, _ := starts(&clock, 2*time.Second, 3*time.Second, func() gcra.Pace { return p })
			at = append(at, later...)
			require.Len(t, later, int(burst)+int(time.Second/p.Interval), "none is lost while starts are wanted")
			for i := range at {
				for j := i; j < len(at); j++ {
					window := at[j] - at[i]
					require.LessOrEqual(t, int64(j-i+1), burst+int64(window/p.Interval), "starts %d to %d", i, j)
				}
			}
		})
	}
}

func TestARestGivesABurstAndNoMore(t *testing.T) {
	var clock gcra.Clock
	p := gcra.Pace{Interval: time.Second, Burst: 3}
	for range 3 {
		require.LessOrEqual(t, clock.Ready(p), time.Hour)
		clock.Take(time.Hour, p)
	}
	require.Equal(t, time.Hour+time.Second, clock.Ready(p))
	require.Equal(t, time.Hour+3*time.Second, clock.Rests())
}

func TestEachStartUsesUpItsOwnIntervalOfASharedClock(t *testing.T) {
	paces := []gcra.Pace{{time.Millisecond, 1}, {10 * time.Millisecond, 1}, {4 * time.Millisecond, 3}, {25 * time.Millisecond, 2}}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var clock gcra.Clock
	at, of := starts(&clock, 0, 5*time.Second, func() gcra.Pace { return paces[r.IntN(len(paces))] })
	for i := range at {
		var used time.Duration // by all but the last
		for j := i; j < len(at); j++ {
			last := of[j]
			require.LessOrEqual(t, used, at[j]-at[i]+time.Duration(last.Burst-1)*last.Interval, "starts %d to %d", i, j)
			used += last.Interval
		}
	}
}

func TestAPaceHasBounds(t *testing.T) {
	for _, p := range []gcra.Pace{{1, 1}, {gcra.MaxInterval, gcra.MaxBurst}} {
		require.True(t, p.IsValid(), "%v", p)
		require.False(t, p.IsNone(), "%v", p)
	}
	for _, p := range []gcra.Pace{{}, {0, 1}, {-1, 1}, {1, 0}, {gcra.MaxInterval + 1, 1}, {1, gcra.MaxBurst + 1}} {
		require.False(t, p.IsValid(), "%v", p)
	}
	require.True(t, gcra.Pace{}.IsNone())
	var clock gcra.Clock
	p := gcra.Pace{Interval: gcra.MaxInterval, Burst: gcra.MaxBurst}
	at, _ := starts(&clock, 0, 1, func() gcra.Pace { return p })
	require.Len(t, at, gcra.MaxBurst)
	require.Positive(t, clock.Rests())
}
