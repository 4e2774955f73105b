package main

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// Which Go it takes stands in go.mod and in .ci/run, and what people read agrees.
func TestThePagesNameTheGoThatIsTried(t *testing.T) {
	r := thisRepository(t)
	oldest := found(t, r, "go.mod", `(?m)^go (\d+\.\d+)`)
	newest := found(t, r, ".ci/run", `(?m)^newest_go=go(\d+\.\d+)`)
	require.Contains(t, read(t, r, "docs/versioning.md"), "**Go "+oldest+" and "+newest+"**")
	require.Contains(t, read(t, r, "README.md"), "Go "+oldest+" or "+newest)
}

// What a clone runs and what the hosted CI runs is one thing.
func TestTheHostedCIRunsWhatAnybodyRuns(t *testing.T) {
	r := thisRepository(t)
	var workflow struct {
		Jobs map[string]struct {
			Container string
			Steps     []struct{ Run, Uses string }
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, r, ".github/workflows/ci.yml")), &workflow))
	require.Len(t, workflow.Jobs, 1)
	for _, job := range workflow.Jobs {
		require.Regexp(t, `^golang:`+found(t, r, "go.mod", `(?m)^go (\d+\.\d+)`)+`-`, job.Container)
		require.Len(t, job.Steps, 2)
		require.Regexp(t, `^actions/checkout@`, job.Steps[0].Uses)
		require.Equal(t, ".ci/run", job.Steps[1].Run)
	}
}

// The modules that a page names are those that a release tags.
func TestThePageOnVersionsNamesEachModule(t *testing.T) {
	r := thisRepository(t)
	modules, err := r.modules()
	require.NoError(t, err)
	page := read(t, r, "docs/versioning.md")
	for _, m := range modules {
		if m.published() && m.dir != "." {
			require.Contains(t, page, "`"+m.dir+"`")
		}
	}
}

func thisRepository(t *testing.T) repository {
	t.Helper()
	r, err := openRepository(".", nil)
	require.NoError(t, err)
	return r
}

// found returns what the group of a pattern matches in a file.
func found(t *testing.T, r repository, name, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(read(t, r, name))
	require.NotNil(t, m, "%s has no %s", name, pattern)
	return m[1]
}
