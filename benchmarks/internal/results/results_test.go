package results

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/benchmarks/internal/suite"
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
	require.Contains(t, text, "![Claims](claims.svg)")
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
		Lines: []suite.Line{{Name: "berth", X: []float64{1, 1000}, Sides: []string{"berth", "peer"}}}}
	nothing := outcome()
	nothing.Group.Charts[0].File = "nothing"
	dir := t.TempDir()
	require.NoError(t, Run{Outcomes: []suite.Outcome{bars, lines, nothing}}.WriteCharts(dir))
	for _, file := range []string{"claims.svg", "growth.svg"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Contains(t, string(text), "berth")
	}
	require.NoFileExists(t, filepath.Join(dir, "nothing.svg"))
}

func TestEveryFigureOfEveryRoundIsKept(t *testing.T) {
	var w strings.Builder
	require.NoError(t, Run{Outcomes: []suite.Outcome{outcome(10, 20)}}.WriteCSV(&w))
	require.Contains(t, w.String(), "Claims,berth,1,ns/job,10\n")
	require.Contains(t, w.String(), "Claims,berth,2,ns/job,20\n")
	require.Equal(t, 1+2*3*2, strings.Count(w.String(), "\n"))
}
