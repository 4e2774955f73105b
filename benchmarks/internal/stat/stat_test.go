package stat

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedianOfAnOddNumberIsTheMiddleOne(t *testing.T) {
	s := Summarize([]float64{9, 1, 5, 100, 2})
	require.Equal(t, Summary{Median: 5, Low: 1, High: 100, Rounds: 5}, s)
}

func TestMedianOfAnEvenNumberLiesBetweenTheMiddleTwo(t *testing.T) {
	require.Equal(t, 3.5, Summarize([]float64{4, 1, 3, 9}).Median)
}

func TestSummarizeLeavesItsValuesAsTheyAre(t *testing.T) {
	values := []float64{3, 1, 2}
	Summarize(values)
	require.Equal(t, []float64{3, 1, 2}, values)
}

func TestOneBrokenRoundSpoilsTheSummary(t *testing.T) {
	require.True(t, math.IsNaN(Summarize([]float64{1, math.NaN(), 2}).Median))
	require.True(t, math.IsNaN(Summarize(nil).Median))
}

func TestSpreadIsHalfTheDistanceAsAShareOfTheMedian(t *testing.T) {
	require.InDelta(t, 0.2, Summarize([]float64{8, 10, 12}).Spread(), 1e-9)
	require.Zero(t, Summarize([]float64{0, 0}).Spread())
}
