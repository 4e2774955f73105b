package counts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"
)

// A tb is a test that fails without failing.
type tb struct {
	testing.TB
	failed []string
}

func (t *tb) Helper() {}

func (t *tb) Errorf(format string, args ...any) { t.failed = append(t.failed, format) }

func TestReportsAreAddedUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "counts")
	t.Setenv(counts.Variable, file)
	counts.Report(t, counts.Of{"steps": 2, "jobs": 1})
	t.Run("in parts", func(t *testing.T) { counts.Report(t, counts.Of{"steps": 3}) })
	all, err := counts.Read(file)
	require.NoError(t, err)
	require.Equal(t, counts.Total{"internal/stacktest/counts.TestReportsAreAddedUp": {"steps": 5, "jobs": 1}}, all)
}

func TestATestThatCountedNothingFails(t *testing.T) {
	t.Setenv(counts.Variable, "")
	empty := &tb{TB: t}
	counts.Report(empty, counts.Of{"steps": 2, "jobs": 0})
	require.Len(t, empty.failed, 1)
}

func TestAReportThatCannotBeWrittenFails(t *testing.T) {
	t.Setenv(counts.Variable, t.TempDir())
	lost := &tb{TB: t}
	counts.Report(lost, counts.Of{"steps": 2})
	require.Len(t, lost.failed, 1)
}

func TestWhatIsNoReportIsAnError(t *testing.T) {
	_, err := counts.Read(filepath.Join(t.TempDir(), "none"))
	require.Error(t, err)
	for _, line := range []string{"\n", "pool.TestX\n", "pool.TestX steps\n", "pool.TestX =1\n", "pool.TestX steps=1 jobs=many\n"} {
		file := filepath.Join(t.TempDir(), "counts")
		require.NoError(t, os.WriteFile(file, []byte(line), 0o600))
		_, err := counts.Read(file)
		require.ErrorContainsf(t, err, "is no report", "%q", line)
	}
}

func TestASuiteThatFellShortOrDidNotRunIsSaid(t *testing.T) {
	least := counts.Total{"a.TestX": {"steps": 10, "jobs": 1}, "a.TestY": {"steps": 1}}
	require.Empty(t, least.Shortfalls(counts.Total{"a.TestX": {"steps": 10, "jobs": 7, "more": 1}, "a.TestY": {"steps": 1}}))
	require.Equal(t, []string{
		"a.TestX: 0 jobs, and there must be 1",
		"a.TestX: 9 steps, and there must be 10",
		"a.TestY did not run",
		"a.TestZ is not in the table of package counts: say there how much it must count",
	}, least.Shortfalls(counts.Total{"a.TestX": {"steps": 9}, "a.TestZ": {"steps": 1}}))
}

func TestEachSuiteOfTheTableIsATestThatReports(t *testing.T) {
	for suite, of := range counts.Least {
		folder, name, _ := strings.Cut(suite, ".")
		require.NotEmptyf(t, of, "%s", suite)
		files, err := filepath.Glob(filepath.Join("..", "..", "..", filepath.FromSlash(folder), "*_test.go"))
		require.NoError(t, err)
		found := false
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			if strings.Contains(string(text), "func "+name+"(") {
				found = true
			}
		}
		require.Truef(t, found, "there is no %s: take it out of the table, or correct its name", suite)
	}
}

func TestAFolderOutsideOfACloneIsSaid(t *testing.T) {
	_, err := counts.Root(t.TempDir())
	require.ErrorContains(t, err, "go.work")
}
