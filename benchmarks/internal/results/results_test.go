package results

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/benchmarks/internal/suite"
	"github.com/berth-go/berth/internal/svg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outcome returns two rounds of two sides, ours at the given nanoseconds a
// job and the peer at 100.
func outcome(ours ...float64) suite.Outcome {
	o := suite.Outcome{
		Group: suite.Group{
			Name:   "Claims",
			Sides:  []suite.Side{{Name: "berth", Ours: true}, {Name: "peer"}, {Name: "stand-in"}},
			Rows:   []suite.Row{{What: "claims", Of: suite.Speed("berth", "peer"), Target: suite.AtLeast(4, "×"), Stand: "stand-in"}},
			Charts: []suite.Chart{{File: "claims", Title: "Claims", Y: "jobs a second", Metric: suite.PerJob, Rate: true}},
		},
		Absent: map[string]string{},
	}
	for _, ns := range ours {
		o.Rounds = append(o.Rounds, map[string]suite.Result{
			"berth":    {suite.PerJob: ns, suite.Allocs: 1},
			"peer":     {suite.PerJob: 100, suite.Allocs: 34},
			"stand-in": {suite.PerJob: 50, suite.Allocs: 30},
		})
	}
	return o
}

func page(outcomes ...suite.Outcome) string {
	return Run{Machine: Machine{CPU: "a processor", Cores: 2}, Date: "a date", Rounds: 3, Outcomes: outcomes, Notes: []string{"reduced"}}.Markdown()
}

func TestThePageShowsTargetAndMeasured(t *testing.T) {
	text := page(outcome(20, 10, 25))
	require.Contains(t, text, "| claims | ≥ 4 × | **5 ×** | 4 to 10 | 50,000,000 jobs/s | 10,000,000 jobs/s | yes |\n")
	require.Contains(t, text, "| berth | 20 ns/job | 10 to 25 | 50,000,000 | 1 |\n")
	require.Contains(t, text, `<img alt="Claims" src="claims.svg"></picture>`)
	require.Contains(t, text, "- reduced\n")
	require.Contains(t, text, "a processor, 2 cores")
	require.Contains(t, page(outcome(50)), "| claims | ≥ 4 × | **2 ×** | 2 to 2 | 20,000,000 jobs/s | 10,000,000 jobs/s | no |\n")
}

func TestARowWithoutItsPeerSaysWhy(t *testing.T) {
	o := outcome(20)
	o.Absent["peer"] = "not available here: no peer"
	o.Group.Rows[0].Stand = ""
	text := page(o)
	require.Contains(t, text, "| claims | ≥ 4 × | not measured |  |  |  | not available here: no peer |\n")
	require.Contains(t, text, "| peer | not available here: no peer |")
}

func TestAStandInTakesThePlaceOfAMissingPeerAndIsMarked(t *testing.T) {
	o := outcome(20)
	require.NotContains(t, page(o), "Rows marked *")
	o.Absent["peer"] = "not available here: no peer"
	text := page(o)
	require.Contains(t, text, "| claims * | ≥ 4 × | **2.5 ×** | 2.5 to 2.5 | 50,000,000 jobs/s | 20,000,000 jobs/s | no |\n")
	require.Contains(t, text, "- Rows marked * use a plain client")
	o.Absent["stand-in"] = "not available here: no stand-in"
	require.Contains(t, page(o), "| claims * | ≥ 4 × | not measured |  |  |  | not available here: no stand-in |\n")
}

func TestSpeedsAndMissingPeersDoNotChangeTheShape(t *testing.T) {
	fast, slow := page(outcome(10, 11)), page(outcome(90))
	missing := outcome(20)
	missing.Absent["peer"] = "not here"
	require.NoError(t, Compare(Shape(fast), Shape(slow)))
	require.NoError(t, Compare(Shape(fast), Shape(page(missing))))
}

func TestAnotherRowTargetSideGroupOrChartChangesTheShape(t *testing.T) {
	was := Shape(page(outcome(10)))
	for name, change := range map[string]func(*suite.Group){
		"row":    func(g *suite.Group) { g.Rows[0].What = "jobs" },
		"target": func(g *suite.Group) { g.Rows[0].Target = suite.AtLeast(3, "×") },
		"side":   func(g *suite.Group) { g.Sides[1].Name = "another" },
		"group":  func(g *suite.Group) { g.Name = "Servers" },
		"chart":  func(g *suite.Group) { g.Charts[0].File = "servers" },
		"gone":   func(g *suite.Group) { g.Rows = nil },
		"order":  func(g *suite.Group) { g.Sides[0], g.Sides[1] = g.Sides[1], g.Sides[0] },
	} {
		o := outcome(10)
		change(&o.Group)
		require.Error(t, Compare(Shape(page(o)), was), name)
	}
}

func TestTheErrorNamesWhatIsNewAndWhatIsGone(t *testing.T) {
	err := Compare([]string{"# a", "| b"}, []string{"# a", "| c"})
	require.EqualError(t, err, "new: | b\ngone: | c")
}

func TestChartsAreWrittenForWhatWasMeasured(t *testing.T) {
	bars := outcome(10, 20)
	lines := outcome(10, 20)
	lines.Group.Charts[0] = suite.Chart{File: "growth", Title: "Growth", Metric: suite.PerJob, Rate: true,
		Lines: []suite.Line{{Name: "berth", X: []float64{0, 1000}, Sides: []string{"berth", "peer"}}}}
	nothing := outcome()
	nothing.Group.Charts[0].File = "nothing"
	dir := t.TempDir()
	require.NoError(t, Run{Outcomes: []suite.Outcome{bars, lines, nothing}}.WriteCharts(dir))
	for _, file := range []string{"claims.svg", "claims-dark.svg", "growth.svg", "growth-dark.svg"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Contains(t, string(text), "berth")
		require.Contains(t, string(text), "more is better")
		require.NotContains(t, string(text), "NaN")
	}
	require.NoFileExists(t, filepath.Join(dir, "nothing.svg"))
}

func TestABarHasItsValue(t *testing.T) {
	bars := barsOf(outcome(10, 20), outcome(10, 20).Group.Charts[0])
	require.Equal(t, []bar{{"berth", 1e9 / 15, true}, {"peer", 1e7, false}, {"stand-in", 2e7, false}}, bars)
	text := string(drawBars(suite.Chart{Y: "ns"}, bars).SVG(svg.Light))
	for _, want := range []string{">66,666,667<", ">10,000,000<", ">20,000,000<", ">ns; less is better<"} {
		require.Contains(t, text, want)
	}
}

func TestALegendHasTheValuesAtBothEnds(t *testing.T) {
	c := curve{name: "berth", points: []point{{0, 500, 400, 600}, {10, 300, 300, 300}, {1000, 1500, 900, 2000}}}
	require.Equal(t, "berth: 500 at 0, 1,500 at 1,000 keys", c.legend("keys"))
	c.points = c.points[:1]
	require.Equal(t, "berth: 500 at 0 keys", c.legend("keys"))
}

func TestAnAxisBeginsAndEndsAroundWhatItShows(t *testing.T) {
	for _, tc := range []struct{ low, high, first, last float64 }{
		{3, 18, 2, 20}, {100, 100, 100, 200}, {0.7, 900, 0.5, 1000}, {1.2e6, 4.1e7, 1e6, 5e7},
	} {
		a := yAxis([]curve{{points: []point{{1, tc.low, tc.low, tc.high}}}}, false)
		require.InDelta(t, tc.first, a.ticks[0], 1e-9)
		require.InEpsilon(t, tc.last, a.ticks[len(a.ticks)-1], 1e-9)
		require.InDelta(t, a.from, a.at(a.low), 1e-9)
		require.InDelta(t, a.to, a.at(a.high), 1e-9)
	}
	share := yAxis(nil, true)
	require.InDelta(t, (share.from+share.to)/2, share.at(50), 1e-9)
}

func TestEveryFigureOfEveryRoundIsKept(t *testing.T) {
	var w strings.Builder
	require.NoError(t, Run{Outcomes: []suite.Outcome{outcome(10, 20)}}.WriteCSV(&w))
	require.Contains(t, w.String(), "Claims,berth,1,ns/job,10\n")
	require.Contains(t, w.String(), "Claims,berth,2,ns/job,20\n")
	require.Equal(t, 1+2*3*2, strings.Count(w.String(), "\n"))
}

func TestRoundsAreReadAsTheyWereWritten(t *testing.T) {
	was := outcome(10, 20, 15)
	var w strings.Builder
	require.NoError(t, Run{Outcomes: []suite.Outcome{was}}.WriteCSV(&w))
	groups := []suite.Group{{Name: "new"}, was.Group}
	read, err := ReadCSV(strings.NewReader(w.String()), groups)
	require.NoError(t, err)
	require.Len(t, read, 1, "a group that was not measured has no outcome")
	require.Equal(t, was.Group.Name, read[0].Group.Name)
	require.Equal(t, was.Rounds, read[0].Rounds)
	for _, bad := range []string{"", "group,side\n1,2,3\n", "a,b,c,d,e\nClaims,berth,2,ns/job,1\n", "a,b,c,d,e\nClaims,berth,1,ns/job,x\n"} {
		_, err = ReadCSV(strings.NewReader(bad), groups)
		require.Error(t, err, bad)
	}
}
