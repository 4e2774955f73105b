package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReportRefusesAGroupThatIsNone(t *testing.T) {
	err := report(t.Context(), options{only: "(", rounds: 1, short: true})
	require.Error(t, err)
}

func TestReportRefusesAnEngineThatIsNone(t *testing.T) {
	err := report(t.Context(), options{engine: "zookeeper", rounds: 1, short: true})
	require.ErrorContains(t, err, `no engine "zookeeper": there are dflockd, etcd, redis`)
}

func TestCompareNeedsResultsToCompareWith(t *testing.T) {
	err := report(t.Context(), options{only: "^no such group$", short: true, compare: t.TempDir()})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestReportWritesItsPage(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, report(t.Context(), options{only: "^no such group$", short: true, out: dir}))
	require.FileExists(t, filepath.Join(dir, page))
}

func TestDrawNeedsRounds(t *testing.T) {
	require.ErrorIs(t, report(t.Context(), options{draw: true, out: t.TempDir()}), os.ErrNotExist)
}

func TestTheChartsOfTheResultsAreThoseOfTheRounds(t *testing.T) {
	committed := filepath.Join("..", "..", "results")
	of, err := os.ReadFile(filepath.Join(committed, rounds))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, rounds), of, 0o600))
	require.NoError(t, report(t.Context(), options{draw: true, out: dir}))
	require.Equal(t, charts(t, committed), charts(t, dir), "run: cd benchmarks && go run ./cmd/report -draw -out results")
}

// charts returns the charts of a folder by their names.
func charts(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all[filepath.Base(file)] = string(text)
	}
	return all
}
