package berth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parsers are the functions that read what somebody else has written, each with the
// fuzz target that gets to it, which is in its folder unless another one is named. A function whose name says that it parses
// must be here, whatever module it is in; for the others it is up to us to think of it.
var parsers = map[string]string{
	"benchmarks/internal/limits.parsePorts":           "FuzzPorts",
	"cmd/berth/internal/engine.ParseAddress":          "FuzzParseAddress",
	"cmd/berth/internal/process.parsePS":              "FuzzPS",
	"dflockd.readLine":                                "FuzzLine",
	"dflockd.readReply":                               "FuzzHandshake",
	"dflockd.checkAddress":                            "FuzzAddress",
	"dflockd/cmd/dflockd.commandLine.parse":           "FuzzCommandLine",
	"dflockd/cmd/dflockd.secretSource.read":           "FuzzSecretsFile",
	"dflockd/internal/wire.Parse":                     "FuzzRequest",
	"dflockd/internal/wire.ParseRequest":              "FuzzRequest",
	"dflockd/internal/wire.Request.parseFields":       "FuzzRequest",
	"dflockd/internal/wire.Request.parseField":        "FuzzRequest",
	"dflockd/internal/wire.Request.parseCapabilities": "FuzzRequest",
	"dflockd/internal/wire.ServerList.parse":          "FuzzRequest",
	"dflockd/internal/wire.parseField":                "FuzzRequest",
	"dflockd/internal/wire.parseNumber":               "FuzzRequest",
	"dflockd/internal/wire.ParseID":                   "FuzzRequest",
	"dflockd/internal/wire.ParseToken":                "FuzzRequest",
	"dflockd/internal/wire.ParseReply":                "FuzzReply",
	"dflockd/internal/wire.parseReply":                "FuzzReply",
	"dflockd/internal/wire.parseGrant":                "FuzzReply",
	"dflockd/internal/wire.parseError":                "FuzzReply",
	"dflockd/internal/wire.ParseFeatures":             "FuzzFeatures",
	"dflockd/server.conn.read":                        "FuzzConnection",
	"engines/etcd.limitOf":                            "FuzzClaimKey",
	"engines/etcd.parseRecord":                        "FuzzRecord",
	"engines/etcd.parseVersion":                       "FuzzVersion",
	"engines/redis.readClaim":                         "FuzzClaimID",
	"engines/redis.readState":                         "FuzzState",
	"examples/batch.parse":                            "FuzzFlags",
	"examples/batch.readManifest":                     "FuzzManifest",
	"examples/chain.parse":                            "FuzzFlags",
	"examples/crawler.parse":                          "FuzzFlags",
	"examples/crawler.parseURL":                       "FuzzURL",
	"examples/crawler/internal/link.Normal":           "FuzzNormal",
	"examples/crawler/internal/page.directivesOf":     "FuzzDirectives",
	"examples/crawler/internal/page.parse":            "FuzzDocument",
	"examples/crawler/internal/robots.Parse":          "FuzzParse",
	"examples/internal/engine.parse":                  "FuzzAddress",
	"examples/internal/engine.ParseKind":              "FuzzAddress",
	"examples/observed.parse":                         "FuzzFlags",
	"internal/retryafter.Parse":                       "middleware.FuzzParseRetryAfter",
	"internal/release.parseVersion":                   "FuzzVersion",
	"internal/release.dated":                          "FuzzChangelog",
	"internal/stacktest/counts.parse":                 "FuzzReport",
	"middleware.ParseRetryAfter":                      "FuzzParseRetryAfter",
}

// saysThatItParses are the names of functions that must be in the table.
var saysThatItParses = regexp.MustCompile(`\.[Pp]arse([A-Z]\w*)?$`)

func TestEachParserIsFuzzed(t *testing.T) {
	functions := functionsOfTheRepository(t)
	for name, target := range parsers {
		require.Truef(t, functions[name], "there is no %s: take it out of the table, or correct its name", name)
		if !strings.Contains(target, ".") {
			folder, _, _ := strings.Cut(path.Base(name), ".")
			target = path.Join(path.Dir(name), folder) + "." + target
		}
		require.Truef(t, functions[target], "%s has no target %s", name, target)
	}
	for name := range functions {
		if saysThatItParses.MatchString(path.Base(name)) {
			require.NotEmptyf(t, parsers[name], "%s: write a fuzz target for it, and name both in the table", name)
		}
	}
}

func TestEachFuzzTargetHasACorpus(t *testing.T) {
	targets := 0
	for name := range functionsOfTheRepository(t) {
		folder, function, _ := strings.Cut(path.Base(name), ".")
		if !strings.HasPrefix(function, "Fuzz") {
			continue
		}
		targets++
		corpus := filepath.Join(filepath.FromSlash(path.Join(path.Dir(name), folder)), "testdata", "fuzz", function)
		files, err := os.ReadDir(corpus)
		require.NoErrorf(t, err, "%s has no corpus: begin with what means something to it", name)
		require.NotEmpty(t, files, corpus)
	}
	require.GreaterOrEqual(t, targets, 25)
}

// functionsOfTheRepository returns all functions of all modules: folder.Name, or
// folder.Type.Name of a method. Of tests these are the fuzz targets.
func functionsOfTheRepository(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != "."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declared := range file.Decls {
			f, ok := declared.(*ast.FuncDecl)
			if ok && (!strings.HasSuffix(name, "_test.go") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				all[filepath.ToSlash(filepath.Dir(name))+"."+receiver(f)+f.Name.Name] = true
			}
		}
		return nil
	})
	require.NoError(t, err)
	return all
}

// receiver returns the type that a method belongs to, and a dot.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	if name, ok := of.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}
