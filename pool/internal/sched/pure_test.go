package sched_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The core can be reasoned about, and run a million times a second in a test,
// because nothing that it does depends on when and where it runs.
func TestTheCoreNeitherWaitsNorLocksNorTellsTheTime(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	shipped := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		shipped++
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Empty(t, impurities(t, string(source)), name)
	}
	require.Greater(t, shipped, 5)
}

func TestWhatTheCoreMustNotUseIsFound(t *testing.T) {
	for _, path := range []string{
		"sync", "sync/atomic", "context", "log", "log/slog", "net", "os", "runtime", "math/rand/v2", "unsafe",
		"github.com/berth-go/berth/slot", "github.com/berth-go/berth/pool",
	} {
		require.Len(t, impurities(t, fmt.Sprintf("package sched\nimport %q", path)), 1, path)
	}
	const begin = "package sched\nimport \"time\"\n"
	for _, source := range []string{
		begin + "var at = time.Now()",
		begin + "var d = time.Since(at)",
		begin + "func f() { time.Sleep(time.Second) }",
		begin + "func f() { time.AfterFunc(time.Second, f) }",
		"package sched\nimport clock \"time\"",
		"package sched\nimport . \"time\"",
		"package sched\nfunc f() { go f() }",
		"package sched\nvar c chan int",
		"package sched\nfunc f() { select {} }",
	} {
		require.Len(t, impurities(t, source), 1, source)
	}
	require.Empty(t, impurities(t, begin+"const tick = 3 * time.Millisecond"))
}

// pureImports are what the core may import, and pureTimes what of package time.
var (
	pureImports = []string{"math", "slices", "sort", "time"}
	pureTimes   = []string{"Duration", "Millisecond", "Microsecond", "Second"}
)

// impurities returns what a file of the core must not have.
func impurities(t *testing.T, source string) (all []string) {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, 0)
	require.NoError(t, err)
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		if spec.Name != nil || !slices.Contains(pureImports, path) {
			all = append(all, "it imports "+path)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if fmt.Sprint(n.X) == "time" && !slices.Contains(pureTimes, n.Sel.Name) {
				all = append(all, "it uses time."+n.Sel.Name)
			}
		case *ast.GoStmt:
			all = append(all, "it starts a goroutine")
		case *ast.ChanType:
			all = append(all, "it has a channel")
		case *ast.SelectStmt:
			all = append(all, "it waits")
		}
		return true
	})
	return all
}
