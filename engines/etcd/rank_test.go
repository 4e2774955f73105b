package etcd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAClaimIsGrantedByItsRankAndTheSmallestLimitInFrontOfIt(t *testing.T) {
	for _, c := range []struct {
		limits []int
		want   int
	}{
		{nil, 0},
		{[]int{1}, 1},
		{[]int{1, 1}, 1},
		{[]int{2, 2, 2}, 2},
		{[]int{3, 3}, 2},
		{[]int{1, 3, 3}, 1},    // the holder was promised to be alone
		{[]int{3, 3, 1, 3}, 2}, // a head that wants to be alone waits, and nobody barges past it
		{[]int{3, 1}, 1},
		{[]int{2, 3, 3}, 2},
		{[]int{3, 3, 2, 3}, 2},
		{[]int{3, 3, 3, 2}, 3},
		{[]int{5, 2, 5, 5}, 2},
	} {
		require.Equal(t, c.want, admitted(lineOfLimits(c.limits)), "%v", c.limits)
	}
}

func lineOfLimits(limits []int) []place {
	line := make([]place, len(limits))
	for i, n := range limits {
		line[i] = place{limit: n, created: int64(i + 1)}
	}
	return line
}

// A line of up to five claims with limits from 1 to 3, of which each subset leaves.
func TestWhatIsHeldNeverPassesTheLimitOfAnyHolder(t *testing.T) {
	lines := 0
	for n := 1; n <= 5; n++ {
		for code := range pow(3, n) {
			limits := make([]int, n)
			for i := range limits {
				limits[i], code = 1+code%3, code/3
			}
			checkLine(t, limits)
			lines++
		}
	}
	require.Equal(t, 3+9+27+81+243, lines)
}

func pow(base, n int) int {
	p := 1
	for range n {
		p *= base
	}
	return p
}

func checkLine(t *testing.T, limits []int) {
	line := lineOfLimits(limits)
	held := admitted(line)
	require.Positive(t, held, "somebody holds a slot: %v", limits)
	for _, p := range line[:held] {
		require.LessOrEqual(t, held, p.limit, "%v", limits)
	}
	for gone := range 1 << len(line) {
		var left []place
		stay := 0 // holders that stay
		for i, p := range line {
			if gone>>i&1 == 0 {
				left = append(left, p)
				if i < held {
					stay++
				}
			}
		}
		require.GreaterOrEqual(t, admitted(left), stay, "a holder stays one, whoever leaves: %v without %b", limits, gone)
	}
	newcomerAgrees(t, limits)
}

// newcomerAgrees fails unless a claim that joins learns from the tail alone what the
// whole line would tell.
func newcomerAgrees(t *testing.T, limits []int) {
	var seen tail
	for i, n := range limits {
		require.GreaterOrEqual(t, seen.waiting(), i-admitted(lineOfLimits(limits[:i])))
		next, granted := seen.join(n)
		require.Equal(t, admitted(lineOfLimits(limits[:i+1])) == i+1, granted, "%v", limits[:i+1])
		seen = next
	}
}

func TestNobodyIsGrantedASlotOfAPausedLine(t *testing.T) {
	next, granted := tail{paused: true}.join(1)
	require.False(t, granted)
	require.Equal(t, tail{ahead: 1, smallest: 1, paused: true}, next)
}

func TestWhoWaitsIsWhoIsInLineAndHasNoSlot(t *testing.T) {
	require.Zero(t, tail{}.waiting())
	require.Zero(t, tail{ahead: 2, smallest: 3}.waiting())
	require.Equal(t, 2, tail{ahead: 5, smallest: 3}.waiting())
}
