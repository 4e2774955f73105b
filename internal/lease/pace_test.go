package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHeartbeatComesByTheShortestOfItsBounds(t *testing.T) {
	for _, tc := range []struct {
		bound                string
		pace                 Pace
		length, beat, answer time.Duration
	}{
		{"a third of the lease", Pace{0.5, 7 * time.Second}, 3 * time.Second, time.Second, 860 * time.Millisecond},
		{"the ratio", Pace{0.1, 7 * time.Second}, 10 * time.Second, time.Second, 2 * time.Second},
		{"the longest", Pace{0.5, 7 * time.Second}, time.Minute, 7 * time.Second, 2 * time.Second},
		{"the longest of a hasty engine", Pace{0.5, time.Second}, 30 * time.Second, time.Second, 2 * time.Second},
		{"the shortest", Pace{1e-9, 7 * time.Second}, time.Second, 100 * time.Millisecond, 320 * time.Millisecond},
	} {
		l := Lease{time.Now(), tc.length}
		require.Equal(t, tc.beat, tc.pace.Beat(tc.length), tc.bound)
		require.Equal(t, tc.answer, tc.pace.Answer(l), tc.bound)
		require.Equal(t, l.From.Add(tc.beat), tc.pace.Due(l), tc.bound)
		require.Equal(t, tc.beat/4, tc.pace.Lead(tc.length), tc.bound)
	}
}

func TestHeartbeatLeavesTimeForTwoAnswersBeforeTheGuard(t *testing.T) {
	for _, ratio := range []float64{1e-9, 0.01, 0.5, 0.99} {
		for _, longest := range []time.Duration{time.Second / 3, 7 * time.Second, time.Hour} {
			for length := time.Second; length < 200*time.Second; length += time.Second {
				p, l := Pace{ratio, longest}, Lease{time.Now(), length}
				beat, answer := p.Beat(length), p.Answer(l)
				require.LessOrEqual(t, beat, length/3)
				require.LessOrEqual(t, beat, longest)
				require.GreaterOrEqual(t, beat, 100*time.Millisecond)
				require.LessOrEqual(t, beat, max(100*time.Millisecond, time.Duration(ratio*float64(length))))
				require.Positive(t, answer)
				require.LessOrEqual(t, answer, 2*time.Second)
				require.LessOrEqual(t, beat+2*answer, l.Usable())
			}
		}
	}
}

func TestShortestLeaseHasRoomForARenewal(t *testing.T) {
	p, l := Pace{0.5, 7 * time.Second}, Lease{time.Now(), time.Second}
	require.InDelta(t, 333*time.Millisecond, p.Beat(l.Length), float64(time.Millisecond))
	require.InDelta(t, 203*time.Millisecond, p.Answer(l), float64(time.Millisecond))
}
