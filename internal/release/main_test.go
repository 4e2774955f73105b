package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// small is a repository of the same shape as berth's, without what others publish: a
// library, a program in the root module, an engine, a program in a module of its own,
// and a module that is not published. Its internal/version is berth's.
var small = map[string]string{
	"go.mod":                      "module github.com/berth-go/berth\n\ngo 1.26.0\n",
	"doc.go":                      "package berth\n",
	"dflockd/cmd/dflockd/main.go": printing("dflockd"),
	"engines/redis/go.mod": `module github.com/berth-go/berth/engines/redis

go 1.26.0

require github.com/berth-go/berth v0.0.0

replace github.com/berth-go/berth => ../..
`,
	"engines/redis/redis.go": "package redis\n\nimport _ \"github.com/berth-go/berth\"\n",
	"cmd/berth/go.mod": `module github.com/berth-go/berth/cmd/berth

go 1.26.0

require (
	github.com/berth-go/berth v0.0.0
	github.com/berth-go/berth/engines/redis v0.0.0
)
`,
	"cmd/berth/main.go":  printing("berth"),
	"cmd/berth/redis.go": "package main\n\nimport _ \"github.com/berth-go/berth/engines/redis\"\n",
	"examples/go.mod": `module github.com/berth-go/berth/examples

go 1.26.0

require github.com/berth-go/berth v0.0.0

replace github.com/berth-go/berth => ../
`,
	"examples/examples.go": "package examples\n\nimport _ \"github.com/berth-go/berth\"\n",
	"go.work": `go 1.26.0

use (
	.
	./cmd/berth
	./engines/redis
	./examples
)

replace (
	github.com/berth-go/berth v0.0.0 => ./
	github.com/berth-go/berth/engines/redis v0.0.0 => ./engines/redis
)
`,
	"CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n### Added\n- All.\n",
	"LICENSE":      "MIT License\n",
	".ci/run":      "#!/bin/sh\necho all is green\n",
}

func printing(name string) string {
	return `package main

import "github.com/berth-go/berth/internal/version"

func main() { println("` + name + `", version.String()) }
`
}

// repositoryOf commits files to the main branch of a new repository.
func repositoryOf(t *testing.T, files map[string]string) repository {
	t.Helper()
	asNobody(t)
	r := repository{dir: t.TempDir(), out: io.Discard}
	for name, text := range files {
		write(t, r, name, text)
	}
	version, err := os.ReadFile(filepath.Join("..", "version", "version.go"))
	require.NoError(t, err)
	write(t, r, "internal/version/version.go", string(version))
	git(t, r, "init", "--quiet", "--initial-branch=main")
	git(t, r, "add", ".")
	git(t, r, "commit", "--quiet", "--message=All")
	return r
}

// asNobody has git commit as somebody who is nobody here, whatever the machine's
// settings are.
func asNobody(t *testing.T) {
	t.Helper()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	for _, role := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+role+"_NAME", "Nobody")
		t.Setenv("GIT_"+role+"_EMAIL", "nobody@example.com")
	}
}

func write(t *testing.T, r repository, name, text string) {
	t.Helper()
	path := r.path(filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
}

func read(t *testing.T, r repository, name string) string {
	t.Helper()
	text, err := os.ReadFile(r.path(filepath.FromSlash(name)))
	require.NoError(t, err)
	return string(text)
}

func git(t *testing.T, r repository, args ...string) string {
	t.Helper()
	text, err := r.git(args...)
	require.NoError(t, err)
	return text
}
