package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestARealReleaseIsInstalledInALine makes the next release in a clone and uses it as
// a stranger would, who has neither go.work nor replace directives. It compiles
// everything anew, for more than a minute, so .ci/run alone asks for it.
func TestARealReleaseIsInstalledInALine(t *testing.T) {
	if os.Getenv("BERTH_RELEASE") == "" {
		t.Skip("BERTH_RELEASE is not set: .ci/run release sets it")
	}
	asNobody(t)
	t.Setenv("GOSUMDB", "off") // what others publish is in the module cache, where it was verified
	r := cloned(t)
	v := next(t, r)
	require.NoError(t, r.cut(v, today, true))
	environment, err := r.published(t.TempDir())
	require.NoError(t, err)

	out := t.TempDir()
	require.NoError(t, r.build(v, out, []platform{here}))
	archives, err := filepath.Glob(filepath.Join(out, "berth_*"))
	require.NoError(t, err)
	require.Len(t, archives, 1)
	requirePrograms(t, unpack(t, archives[0], content(t, out, filepath.Base(archives[0]))), v.String())

	user := repository{dir: t.TempDir()}
	write(t, user, "go.mod", "module example.com/stranger\n\ngo 1.26.0\n")
	write(t, user, "main.go", `package main

import (
	_ "github.com/berth-go/berth/dflockd"
	_ "github.com/berth-go/berth/dflockd/server"
	_ "github.com/berth-go/berth/engines/etcd"
	_ "github.com/berth-go/berth/engines/redis"
	_ "github.com/berth-go/berth/pool"
	_ "github.com/berth-go/berth/slothttp"
	_ "github.com/berth-go/berth/tracing"
)

func main() {}
`)
	modules, err := r.modules()
	require.NoError(t, err)
	for _, m := range modules {
		if m.published() {
			_, err := user.command(environment, "go", "get", m.path+"@"+v.String())
			require.NoError(t, err)
		}
	}
	_, err = user.command(environment, "go", "get", ".") // the checksums of what is imported
	require.NoError(t, err)
	_, err = user.command(environment, "go", "build", "-trimpath", ".")
	require.NoError(t, err)
}

// cloned returns a clone of the repository that this test is in, on its branch main,
// with something to release.
func cloned(t *testing.T) repository {
	t.Helper()
	this, err := openRepository(".", nil)
	require.NoError(t, err)
	r := repository{dir: filepath.Join(t.TempDir(), "berth"), out: t.Output()}
	_, err = this.git("-c", "safe.directory=*", "clone", "--quiet", this.dir, r.dir)
	require.NoError(t, err)
	git(t, r, "checkout", "--quiet", "-B", "main")
	before, after, found := strings.Cut(read(t, r, "CHANGELOG.md"), unreleased)
	require.True(t, found)
	write(t, r, "CHANGELOG.md", before+unreleased+"\n- A dry run.\n"+after)
	git(t, r, "commit", "--quiet", "--all", "--message=A dry run")
	return r
}

// next returns the version after the last release.
func next(t *testing.T, r repository) version {
	t.Helper()
	last, _ := latest(lines(git(t, r, "tag", "--list")))
	return version{last[0], last[1] + 1, 0}
}
