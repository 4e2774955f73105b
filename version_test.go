package berth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a release is called stands in its tag alone. A number in the source would have
// to be changed with each, and would be forgotten.
func TestTheVersionStandsNowhereInTheSource(t *testing.T) {
	readers := []string{}
	for name, f := range shippedSources(t) {
		for _, constant := range versionsIn(f) {
			require.Fail(t, "a second version", "%s sets %s: use internal/version", name, constant)
		}
		if calls(f, "debug", "ReadBuildInfo") {
			readers = append(readers, filepath.ToSlash(filepath.Dir(name)))
		}
	}
	for _, dir := range readers {
		require.Equal(t, "internal/version", dir, "only one package reads what was built")
	}
	require.NotEmpty(t, readers)
}

func TestASecondVersionIsFound(t *testing.T) {
	for source, want := range map[string][]string{
		`const Version = "0.1.0"`:              {"Version"},
		`var release, apiVersion = "", "v1.2"`: {"apiVersion"},
		`const helloVersion = "1"`:             nil,
		`var version = compute("1.2.3")`:       nil,
		`const address = "1.2.3.4"`:            nil,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+source, 0)
		require.NoError(t, err)
		require.Equal(t, want, versionsIn(f), source)
	}
}

var number = regexp.MustCompile(`^"v?\d+\.\d+`)

// versionsIn returns the names of the constants and variables that are called a
// version and have a number as their value.
func versionsIn(f *ast.File) (names []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != len(spec.Names) {
			return true
		}
		for i, name := range spec.Names {
			text, ok := spec.Values[i].(*ast.BasicLit)
			if ok && strings.HasSuffix(strings.ToLower(name.Name), "version") && number.MatchString(text.Value) {
				names = append(names, name.Name)
			}
		}
		return true
	})
	return names
}

func calls(f *ast.File, pkg, function string) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		from, ok := sel.X.(*ast.Ident)
		found = found || ok && from.Name == pkg && sel.Sel.Name == function
		return true
	})
	return found
}

// shippedSources parses the code of all modules but their tests.
func shippedSources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		base := filepath.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files[name], err = parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		return err
	})
	require.NoError(t, err)
	require.Contains(t, files, filepath.Join("cmd", "berth", "version.go"), "the walk must go into every module")
	return files
}
