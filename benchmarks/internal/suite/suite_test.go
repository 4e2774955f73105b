package suite

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet(string) {}

// fixed is a side that reports a figure for each round.
func fixed(name string, figures ...float64) Side {
	return Side{Name: name, Once: true, Run: func(b *testing.B) error {
		for b.Loop() {
		}
		b.ReportMetric(figures[0], "figure")
		figures = figures[1:]
		return nil
	}}
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	g := Group{
		Sides: []Side{fixed("a", 1, 4, 9), fixed("b", 1, 2, 3)},
		Rows:  []Row{{Of: Cost("a", "b", "figure"), Target: AtMost(2, "×")}},
	}
	out, err := g.Run(t.Context(), 3, true, quiet)
	require.NoError(t, err)
	m := out.Measured()[0]
	require.Empty(t, m.Missing)
	// The rounds give 1, 2 and 3. The ratio of the medians would be 2 as well,
	// the spread would not.
	require.Equal(t, 2.0, m.Summary.Median)
	require.Equal(t, 1.0, m.Summary.Low)
	require.Equal(t, 3.0, m.Summary.High)
	require.Equal(t, 4.0, m.Side.Median)
	require.Equal(t, 2.0, m.Base.Median)
}

func TestEveryOtherRoundGoesBackwards(t *testing.T) {
	var turns []string
	side := func(name string) Side {
		return Side{Name: name, Run: func(b *testing.B) error {
			for b.Loop() {
			}
			turns = append(turns, name)
			return nil
		}}
	}
	g := Group{Sides: []Side{side("a"), side("b"), side("c")}}
	_, err := g.Run(t.Context(), 2, true, quiet)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c", "c", "b", "a"}, turns)
}

func TestASideThatDidTheWrongThingFailsTheRun(t *testing.T) {
	g := Group{Name: "g", Sides: []Side{{Name: "liar", Run: func(b *testing.B) error {
		for b.Loop() {
		}
		return errors.New("ran 1 jobs, should have run 2")
	}}}}
	_, err := g.Run(t.Context(), 1, true, quiet)
	require.EqualError(t, err, "g: liar: ran 1 jobs, should have run 2")
}

func TestAMissingPeerIsSaidAndTheRestRuns(t *testing.T) {
	g := Group{
		Sides: []Side{fixed("a", 1), {Name: "peer", Run: func(*testing.B) error {
			return fmt.Errorf("%w: not installed", ErrMissing)
		}}},
		Rows: []Row{
			{What: "beside the peer", Of: Cost("a", "peer", "figure")},
			{What: "alone", Of: Value("a", "figure")},
		},
	}
	out, err := g.Run(t.Context(), 1, true, quiet)
	require.NoError(t, err)
	rows := out.Measured()
	require.Contains(t, rows[0].Missing, "not installed")
	require.Empty(t, rows[1].Missing)
	require.Equal(t, 1.0, rows[1].Summary.Median)
}

func TestAMetricThatNobodyReportedIsNoFigure(t *testing.T) {
	g := Group{Sides: []Side{fixed("a", 1)}, Rows: []Row{{Of: Value("a", "another")}}}
	out, err := g.Run(t.Context(), 1, true, quiet)
	require.NoError(t, err)
	require.Contains(t, out.Measured()[0].Missing, "another")
}

func TestTimeIsPerJobNotPerTurnOfTheLoop(t *testing.T) {
	const jobs = 1000
	side := Side{Name: "a", Jobs: jobs, Run: func(b *testing.B) error {
		for b.Loop() {
			for range jobs {
				sink = append(sink[:0:0], 1)
			}
		}
		return nil
	}}
	r, err := side.Measure(t.Context(), 0)
	require.NoError(t, err)
	require.InDelta(t, 1, r[Allocs], 0.1)
	require.Positive(t, r[PerJob])
}

var sink []int

func TestWhatIsTimedAfterTheLoopCounts(t *testing.T) {
	// A full garbage collection takes longer than an empty loop by orders of
	// magnitude; the test asks only that it counts at all.
	var outside time.Duration
	_, err := Side{Name: "a", Run: func(b *testing.B) error {
		for b.Loop() {
		}
		before := b.Elapsed()
		b.StartTimer()
		sink = make([]int, 1<<16)
		b.StopTimer()
		outside = b.Elapsed() - before
		return nil
	}}.Measure(t.Context(), 0)
	require.NoError(t, err)
	require.Positive(t, outside)
}

func TestRowsAndChartsMayOnlyUseSidesOfTheirGroup(t *testing.T) {
	g := Group{Name: "g", Sides: []Side{{Name: "a"}}, Rows: []Row{{Of: Speed("a", "b")}}}
	require.ErrorContains(t, g.Validate(), `uses the side "b"`)
	g.Rows = nil
	g.Charts = []Chart{{Lines: []Line{{Name: "l", X: []float64{1, 2}, Sides: []string{"a"}}}}}
	require.ErrorContains(t, g.Validate(), "2 places for 1 sides")
	g.Charts = nil
	require.NoError(t, g.Validate())
}

func TestTargetsAreMetFromTheirSide(t *testing.T) {
	require.True(t, AtLeast(4, "×").Met(4))
	require.False(t, AtLeast(4, "×").Met(3.99))
	require.True(t, AtMost(5, "ms").Met(5))
	require.False(t, AtMost(5, "ms").Met(5.01))
	require.Equal(t, "≥ 4 ×", AtLeast(4, "×").String())
	require.Equal(t, "≤ 5 ms", AtMost(5, "ms").String())
}

func TestSpeedIsHigherAndCostLowerForTheQuickerSide(t *testing.T) {
	round := map[string]Result{"quick": {PerJob: 10}, "slow": {PerJob: 40}}
	require.Equal(t, 4.0, Speed("quick", "slow").value(round))
	require.Equal(t, 0.25, Cost("quick", "slow", PerJob).value(round))
}

func TestFiguresHaveThreeDigitsOrSo(t *testing.T) {
	for figure, text := range map[float64]string{0: "0", 0.256: "0.26", 1.5: "1.5", 12.34: "12.3", math.Inf(1): "none", 123.6: "124", 1234567: "1,234,567", -5: "-5"} {
		require.Equal(t, text, Figure(figure))
	}
}
