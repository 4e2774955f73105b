package berth_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/berth-go/berth"

// layers lists, for each part of the root module, the parts that its shipped
// code may import. A part stands for its folder and what lies below it, the
// longest match wins, and imports point down only.
var layers = map[string][]string{
	"":                           {},
	"internal/errs":              {"slot"},
	"internal/gcra":              {},
	"internal/lease":             {},
	"internal/linkctx":           {},
	"internal/trace":             {},
	"internal/model":             {"internal/trace"},
	"internal/rarely":            {},
	"internal/release":           {},
	"internal/retryafter":        {"slot", "internal/rarely"},
	"internal/version":           {},
	"slot":                       {"internal/linkctx", "internal/gcra"},
	"slot/slottest":              {"slot", "internal/linkctx"},
	"pool":                       {"slot", "internal/linkctx", "pool/internal/sched"},
	"pool/internal/sched":        {},
	"middleware":                 {"pool", "slot", "internal/retryafter"},
	"tracing":                    {"pool", "slot", "internal/version"},
	"dashboard":                  {"pool", "slot"},
	"slothttp":                   {"slot", "internal/linkctx", "internal/rarely", "internal/retryafter"},
	"dflockd":                    {"slot", "internal/linkctx", "internal/lease", "dflockd/internal/wire", "internal/gcra", "internal/errs", "internal/trace"},
	"dflockd/internal/wire":      {"internal/gcra"},
	"dflockd/internal/locktable": {"dflockd/internal/wire", "internal/gcra", "internal/trace"},
	"dflockd/server":             {"dflockd/internal/wire", "dflockd/internal/locktable", "internal/version", "internal/gcra", "internal/trace"},
	"dflockd/cmd/dflockd":        {"dflockd/server", "dflockd/internal/wire", "internal/version"},
	// What the pages show.
	"internal/svg":   {},
	"docs/pictures":  {"internal/svg"},
	"internal/pages": {},
	// Tests of the whole stack, and programs and helpers for them.
	"internal/stacktest": {"slot", "pool", "dflockd", "dflockd/server", "internal/trace"},
}

// outside lists the modules that shipped code may import, and who may.
var outside = map[string][]string{
	"github.com/sourcegraph/conc": {"pool"},
	"golang.org/x/sync":           {"slot"},
	"go.opentelemetry.io/otel":    {"tracing"},
	// Nobody outside this module can import internal/stacktest.
	"github.com/anishathalye/porcupine": {"internal/stacktest"},
}

// forTests lists what tests may import besides.
var forTests = []string{
	"github.com/stretchr/testify", "go.uber.org/goleak", "pgregory.net/rapid",
	"github.com/anishathalye/porcupine", "go.opentelemetry.io/otel", "github.com/sourcegraph/conc", "golang.org/x/sync",
	"go.yaml.in/yaml/v3", // what is in deploy
}

type sourceFile struct {
	name    string
	part    string
	test    bool
	imports []string
}

func TestImportsPointDownOnly(t *testing.T) {
	for _, f := range rootSources(t) {
		for _, imp := range f.imports {
			target, ours := strings.CutPrefix(imp, module+"/")
			if !ours || f.test {
				continue
			}
			to := partOf(target)
			require.True(t, to == f.part || contains(layers[f.part], to),
				"%s: %q may not import %q: see the layers in ARCHITECTURE.md", f.name, f.part, target)
		}
	}
}

func TestShippedCodeImportsFewModules(t *testing.T) {
	used := map[string]bool{}
	for _, f := range rootSources(t) {
		for _, imp := range f.imports {
			if !strings.Contains(strings.Split(imp, "/")[0], ".") || strings.HasPrefix(imp, module) {
				continue
			}
			allowed := false
			for mod, parts := range outside {
				if within(imp, mod) && contains(parts, f.part) {
					allowed = true
					used[mod] = used[mod] || !f.test
				}
			}
			if f.test {
				allowed = allowed || withinAny(imp, forTests)
			}
			require.True(t, allowed, "%s imports %s, which is not on the list of %q", f.name, imp, f.part)
		}
	}
	for mod := range outside {
		require.True(t, used[mod], "no shipped code imports %s: take it off the list and out of go.mod", mod)
	}
}

func TestGoModRequiresDirectlyWhatIsImported(t *testing.T) {
	direct := directRequirements(t, "go.mod")
	for _, mod := range []string{"github.com/sourcegraph/conc", "golang.org/x/sync", "go.opentelemetry.io/otel", "github.com/stretchr/testify"} {
		require.Contains(t, direct, mod)
	}
	for mod := range direct {
		require.True(t, withinAny(mod, append(forTests, keys(outside)...)), "go.mod requires %s, which nothing may import", mod)
	}
}

// A program that does not want traces pays for the API of OpenTelemetry alone.
func TestTracingShipsNoSDK(t *testing.T) {
	for _, f := range rootSources(t) {
		for _, imp := range f.imports {
			require.True(t, f.test || !within(imp, "go.opentelemetry.io/otel/sdk"), "%s imports %s", f.name, imp)
		}
	}
}

func TestServerNeverImportsTheClient(t *testing.T) {
	for _, f := range rootSources(t) {
		if f.part == "dflockd/server" || f.part == "dflockd/cmd/dflockd" {
			require.NotContains(t, f.imports, module+"/dflockd", f.name)
		}
	}
}

// rootSources parses the imports of every Go file of the root module.
func rootSources(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipFolder(name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := sourceFile{name: name, part: partOf(filepath.ToSlash(filepath.Dir(name))), test: strings.HasSuffix(name, "_test.go")}
		for _, spec := range parsed.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, p)
		}
		files = append(files, f)
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(files), 20, "the walk must have found the module")
	return files
}

// skipFolder leaves out hidden folders, test data and the satellite modules.
func skipFolder(name string) error {
	if name == "." {
		return nil
	}
	base := filepath.Base(name)
	if strings.HasPrefix(base, ".") || base == "testdata" {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

// partOf returns the part that a folder belongs to.
func partOf(dir string) string {
	for ; dir != "." && dir != ""; dir = path.Dir(dir) {
		if _, ok := layers[dir]; ok {
			return dir
		}
	}
	return ""
}

var requirement = regexp.MustCompile(`^\s*(?:require\s+)?([a-z0-9.]+\.[a-z]+/\S+)\s+v\S+(\s*// indirect)?$`)

func directRequirements(t *testing.T, name string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	direct := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if m := requirement.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && m[2] == "" {
			direct[m[1]] = true
		}
	}
	return direct
}

func within(imp, mod string) bool { return imp == mod || strings.HasPrefix(imp, mod+"/") }

func withinAny(imp string, mods []string) bool {
	for _, m := range mods {
		if within(imp, m) {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func keys(m map[string][]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}
