package results

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheReadmeShowsTheTableOfTheResults(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	page, err := os.ReadFile("../../results/README.md")
	require.NoError(t, err)
	want, err := InsertSummary(string(readme), string(page))
	require.NoError(t, err)
	require.Equal(t, want, string(readme), "run: cd benchmarks && go run ./cmd/report -copy -out results -readme ../README.md")
	summary, err := Summary(string(page))
	require.NoError(t, err)
	require.Contains(t, summary, "Machine: ")
	require.Contains(t, summary, "Written by `make bench` on 20")
	require.Equal(t, 2+len(leads), strings.Count(summary, "\n|"), "a row for each lead")
}

// tableOf returns a page whose table has a row for each lead.
func tableOf(mark, measured string) string {
	page := "# Measured\n\n" + targetHeading + "\n\n| what |\n|---|\n"
	for _, l := range leads {
		page += "| " + l.row + mark + " | ≥ 4 × | " + measured + " | 4 to 5 | 9 jobs/s | 2 jobs/s | yes |\n"
	}
	return page + "\n## another part\n"
}

func TestASummaryHasTheRowsThatAReaderAsksFor(t *testing.T) {
	summary, err := Summary(tableOf("", "**4.5 ×**"))
	require.NoError(t, err)
	for _, l := range leads {
		require.Contains(t, summary, "| "+l.says+" | **4.5 ×** | 4 to 5 | 9 jobs/s | 2 jobs/s |\n")
	}
	summary, err = Summary(tableOf(stoodInMark, "**4.5 ×**"))
	require.NoError(t, err)
	require.Contains(t, summary, "| "+leads[0].says+" * | **4.5 ×** |", "that another client stood in is said here too")
	summary, err = Summary(tableOf("", "not measured"))
	require.NoError(t, err)
	require.Contains(t, summary, "| "+leads[0].says+" | not measured |")
}

func TestALeadThatTheTableDoesNotHaveIsAnError(t *testing.T) {
	_, err := Summary(strings.Replace(tableOf("", "**1**"), leads[1].row, "another row", 1))
	require.ErrorContains(t, err, leads[1].row)
}

func TestASummaryNeedsATableAndItsPlace(t *testing.T) {
	_, err := Summary("# Measured\n")
	require.ErrorContains(t, err, "no table of targets")
	page := tableOf("", "**1 ×**")
	for _, readme := range []string{"", summaryBegin + "\nold\n"} {
		_, err = InsertSummary(readme, page)
		require.ErrorContains(t, err, "it has no line")
	}
	text, err := InsertSummary("a\n"+summaryBegin+"\nold\n"+summaryEnd+"\nb\n", page)
	require.NoError(t, err)
	require.NotContains(t, text, "old")
	require.Contains(t, text, " |\n\n"+summaryEnd+"\nb\n")
}
