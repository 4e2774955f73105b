package results

import (
	"os"
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
	require.Contains(t, summary, "| met |")
}

func TestASummaryNeedsATableAndItsPlace(t *testing.T) {
	_, err := Summary("# Measured\n")
	require.ErrorContains(t, err, "no table of targets")
	page := "# Measured\n\n" + targetHeading + "\n\n| what |\n"
	for _, readme := range []string{"", summaryBegin + "\nold\n"} {
		_, err = InsertSummary(readme, page)
		require.ErrorContains(t, err, "it has no line")
	}
	text, err := InsertSummary("a\n"+summaryBegin+"\nold\n"+summaryEnd+"\nb\n", page)
	require.NoError(t, err)
	require.NotContains(t, text, "old")
	require.Contains(t, text, "| what |\n\n"+summaryEnd+"\nb\n")
}
