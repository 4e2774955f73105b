package main

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAReleaseIsACommitWithATagForEachPublishedModule(t *testing.T) {
	r := repositoryOf(t, small)
	var said bytes.Buffer
	r.out = &said
	require.NoError(t, r.cut(version{0, 1, 0}, today, false))
	require.Contains(t, said.String(), "all is green", ".ci/run has to run")
	require.Contains(t, said.String(), "git push --atomic origin main v0.1.0 engines/redis/v0.1.0 cmd/berth/v0.1.0\n",
		"each behind those that it requires, and no examples")
	require.Equal(t, "Release v0.1.0", git(t, r, "log", "-1", "--format=%s"))
	require.Equal(t, "cmd/berth/v0.1.0\nengines/redis/v0.1.0\nv0.1.0", git(t, r, "tag", "--points-at", "HEAD"))
	require.Empty(t, git(t, r, "status", "--porcelain"))
	require.Contains(t, read(t, r, "CHANGELOG.md"), "## [0.1.0] - 2026-11-26\n\n### Added\n- All.\n")
	for _, name := range []string{"cmd/berth/go.mod", "engines/redis/go.mod", "examples/go.mod", "go.work"} {
		require.Contains(t, read(t, r, name), "github.com/berth-go/berth v0.1.0", name)
		require.NotContains(t, read(t, r, name), "v0.0.0", name)
	}
	_, err := r.command(nil, "go", "build", "work")
	require.NoError(t, err, "a clone builds as before")
}

func TestTheNextReleaseTakesThePlaceOfTheLastOne(t *testing.T) {
	r := repositoryOf(t, small)
	require.NoError(t, r.cut(version{0, 1, 0}, today, true))
	write(t, r, "CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- More.\n\n## [0.1.0] - 2026-11-26\n- All.\n")
	git(t, r, "commit", "--quiet", "--all", "--message=More")
	require.NoError(t, r.cut(version{0, 2, 0}, today, true))
	require.Contains(t, read(t, r, "cmd/berth/go.mod"), "engines/redis v0.2.0")
	require.NotContains(t, read(t, r, "go.work"), "v0.1.0")
}

// Each of these leaves the repository as it was.
func TestNothingIsReleasedThatIsNotReady(t *testing.T) {
	head := func(r repository) string { return git(t, r, "rev-parse", "HEAD") }
	for name, c := range map[string]struct {
		spoil func(r repository)
		want  string
	}{
		"changes":             {func(r repository) { write(t, r, "LICENSE", "x") }, "not committed:\nM LICENSE"},
		"a new file":          {func(r repository) { write(t, r, "new.go", "package berth") }, "?? new.go"},
		"another branch":      {func(r repository) { git(t, r, "switch", "--quiet", "--create", "next") }, "branch next"},
		"a later release":     {func(r repository) { git(t, r, "tag", "v0.2.0") }, "not beyond the last release, v0.2.0"},
		"the same release":    {func(r repository) { git(t, r, "tag", "v0.1.0") }, "not beyond the last release, v0.1.0"},
		"half of the release": {func(r repository) { git(t, r, "tag", "engines/redis/v0.1.0") }, "a tag engines/redis/v0.1.0"},
		"no news": {func(r repository) {
			write(t, r, "CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n")
			git(t, r, "commit", "--quiet", "--all", "--message=No news")
		}, "nothing under Unreleased"},
		"a red test": {func(r repository) {
			write(t, r, ".ci/run", "#!/bin/sh\nexit 1\n")
			git(t, r, "commit", "--quiet", "--all", "--message=Red")
		}, ".ci/run: exit status 1"},
		"a commit that was not tested": {func(r repository) {
			write(t, r, ".ci/run", "#!/bin/sh\ngit commit --quiet --allow-empty --message=Late\n")
			git(t, r, "commit", "--quiet", "--all", "--message=Slow")
		}, "start again"},
		"a change during the tests": {func(r repository) {
			write(t, r, ".ci/run", "#!/bin/sh\necho x >>LICENSE\n")
			git(t, r, "commit", "--quiet", "--all", "--message=Slow")
		}, "not committed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := repositoryOf(t, small)
			c.spoil(r)
			tags, at := git(t, r, "tag"), head(r)
			require.ErrorContains(t, r.cut(version{0, 1, 0}, today, false), c.want)
			require.Equal(t, tags, git(t, r, "tag"))
			require.NotContains(t, git(t, r, "log", "--format=%s"), "Release")
			if name != "a commit that was not tested" {
				require.Equal(t, at, head(r))
			}
		})
	}
}

func TestAllThatIsInTheWayIsSaidAtOnce(t *testing.T) {
	r := repositoryOf(t, small)
	git(t, r, "switch", "--quiet", "--create", "next")
	git(t, r, "tag", "v0.2.0")
	write(t, r, "CHANGELOG.md", "# Changelog\n")
	err := r.cut(version{0, 1, 0}, today, false)
	for _, want := range []string{"branch next", "not committed", "not beyond", "Unreleased"} {
		require.ErrorContains(t, err, want)
	}
}

func TestModulesComeBehindWhatTheyRequire(t *testing.T) {
	all := map[string]module{}
	for path, requires := range map[string][]string{"a": {"c"}, "b": nil, "c": {"b"}, "d": {"a", "c"}} {
		all[path] = module{path: path, dir: path, requires: requires}
	}
	sorted, err := inOrder(all)
	require.NoError(t, err)
	var order []string
	for _, m := range sorted {
		order = append(order, m.path)
	}
	require.Equal(t, []string{"b", "c", "a", "d"}, order)
	all["b"] = module{path: "b", dir: "b", requires: []string{"d"}}
	_, err = inOrder(all)
	require.ErrorContains(t, err, "circle")
	_, err = inOrder(map[string]module{"a": all["a"]})
	require.ErrorContains(t, err, "a requires c, which is not published")
	_, err = inOrder(map[string]module{"a": all["a"], "c": {path: "c", dir: unpublished[0]}})
	require.ErrorContains(t, err, "a requires c, which is not published")
}

func TestABadCommandLineSaysHowItIsWritten(t *testing.T) {
	for _, args := range [][]string{nil, {"cut"}, {"cut", "v0.1.0", "v0.2.0"}, {"cut", "-fast", "v0.1.0"}, {"publish", "v0.1.0"}} {
		require.ErrorContains(t, run(args, nil), "usage:", fmt.Sprint(args))
	}
	require.ErrorContains(t, run([]string{"cut", "1.0"}, nil), "written like v0.2.0")
}
