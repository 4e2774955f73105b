// Package stat reduces the rounds of a measurement to what a table shows: the
// median and the spread.
//
// A median of five rounds is robust against one disturbed round. The spread is
// the lowest and the highest round, not a confidence interval: five rounds on
// a shared machine do not carry one.
package stat

import (
	"math"
	"slices"
)

// A Summary describes the rounds of one figure.
type Summary struct {
	Median, Low, High float64
	Rounds            int
}

// Summarize returns the summary of values, which it leaves as they are. Of no
// values, or of one that is not a number, all figures are NaN: a broken
// measurement must not look like a fast one.
func Summarize(values []float64) Summary {
	if len(values) == 0 || slices.ContainsFunc(values, math.IsNaN) {
		return Summary{Median: math.NaN(), Low: math.NaN(), High: math.NaN(), Rounds: len(values)}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Summary{
		Median: middle(sorted),
		Low:    sorted[0],
		High:   sorted[len(sorted)-1],
		Rounds: len(sorted),
	}
}

// Spread returns half of the distance from low to high as a share of the
// median: 0.1 stands for ±10 %.
func (s Summary) Spread() float64 {
	if s.Median == 0 {
		return 0
	}
	return (s.High - s.Low) / 2 / math.Abs(s.Median)
}

func middle(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
