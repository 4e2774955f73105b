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
