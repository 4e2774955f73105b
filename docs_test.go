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
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/internal/pages"
)

// book are the pages of the book; docs/berth-run.md, guarantees.md and evidence.md
// stand beside it.
var book = []string{"docs/*.md"}

// documents are all pages whose links are followed.
var documents = []string{
	"*.md", "docs/*.md", "docs/decisions/*.md", "examples/README.md", "deploy/README.md",
	"benchmarks/results/README.md", "dflockd/server/DIFFERENCES.md",
}

func read(t *testing.T, names ...string) []pages.Page {
	t.Helper()
	all, err := pages.Read(".", names...)
	require.NoError(t, err)
	return all
}

// What a page shows as code is quoted from a file that is compiled and run by the
// tests. Commands are run by those of examples/book and cmd/berth.
func TestCodeInThePagesIsQuotedFromFilesOfThisRepository(t *testing.T) {
	for _, p := range read(t, append([]string{"README.md"}, book...)...) {
		for _, b := range p.Blocks() {
			switch b.Language {
			case "go":
				requireQuoted(t, p, b)
			case "yaml":
				var parsed any
				require.NoError(t, yaml.Unmarshal(requireQuoted(t, p, b), &parsed), b.From)
			case "console":
			case "", "sh", "text":
				require.Empty(t, b.From, "%s:%d: what is quoted has a language", p.Name, b.Line)
			default:
				t.Errorf("%s:%d: nothing checks a block of %q", p.Name, b.Line, b.Language)
			}
		}
	}
}

// requireQuoted returns the file that a block is quoted from.
func requireQuoted(t *testing.T, p pages.Page, b pages.Block) []byte {
	t.Helper()
	if p.Name == "README.md" {
		return nil // readme_test.go
	}
	require.NotEmpty(t, b.From, "%s:%d: the line before the block names no file: <!-- examples/book/… -->", p.Name, b.Line)
	source, err := os.ReadFile(b.From)
	require.NoError(t, err, "%s:%d", p.Name, b.Line)
	require.True(t, pages.Quotes(string(source), b.Text), "%s:%d: this is not in %s:\n%s", p.Name, b.Line, b.From, b.Text)
	return source
}

// Links in the documents lead to files that are there, and to headings in them.
func TestLinksAndPicturesLeadToFilesAndHeadings(t *testing.T) {
	anchors := map[string]map[string]bool{}
	for _, p := range read(t, documents...) {
		anchors[p.Name] = p.Anchors()
	}
	for _, p := range read(t, documents...) {
		for _, to := range p.Links() {
			file, anchor, _ := strings.Cut(to, "#")
			target := p.Name
			if file != "" {
				target = path.Join(path.Dir(p.Name), file)
				_, err := os.Stat(target)
				require.NoError(t, err, "%s links to %s", p.Name, to)
			}
			if names, ok := anchors[target]; ok && anchor != "" {
				require.True(t, names[anchor], "%s links to %s, which has no such heading", p.Name, to)
			}
		}
	}
}

// What a document says can be run with go run or make is there.
func TestProgramsAndVerbsThatTheDocumentsNameAreThere(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	command := regexp.MustCompile("(?:^|[`$ ])(go run|make) (\\./[\\w./-]*\\w|[a-z][a-z-]*\\w)(?:`| |\n)")
	seen := 0
	for _, p := range read(t, documents...) {
		for line := range strings.Lines(p.Text) {
			for _, m := range command.FindAllStringSubmatch(line, -1) {
				folder := path.Dir(p.Name)
				switch {
				case m[1] == "make" && strings.Contains(line, "`make "):
					require.Contains(t, string(makefile), "\n"+m[2]+":", "%s names make %s", p.Name, m[2])
					seen++
				case m[1] == "go run" && strings.HasPrefix(m[2], "./"):
					require.True(t, isFolder(m[2]) || isFolder(path.Join(folder, m[2])) || isFolder(path.Join("benchmarks", m[2])),
						"%s names go run %s", p.Name, m[2])
					seen++
				}
			}
		}
	}
	require.Greater(t, seen, 20)
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// The index of the book leads to each page of it.
func TestTheIndexOfTheBookLeadsToEachPage(t *testing.T) {
	index := read(t, "docs/README.md")[0]
	for _, p := range read(t, book...) {
		if p.Name != index.Name {
			require.Contains(t, index.Links(), path.Base(p.Name))
		}
	}
}

// The page on leases has the arithmetic of package lease, with the longest time between
// two renewals that package dflockd has.
func TestThePageOnLeasesHasTheTimesThatTheCodeKeeps(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\| (\d+) s \| ([\d.]+) s \| ([\d.]+) s \| (\d+) s \|$`)
	rows := row.FindAllStringSubmatch(read(t, "docs/leases.md")[0].Text, -1)
	require.Len(t, rows, 5)
	for _, m := range rows {
		length, err := time.ParseDuration(m[1] + "s")
		require.NoError(t, err)
		l := lease.Lease{Length: length}
		beat := lease.Pace{Ratio: 0.5, Longest: 7 * time.Second}.Beat(length)
		for i, d := range []time.Duration{beat, l.Usable(), length} {
			shown, err := time.ParseDuration(m[i+2] + "s")
			require.NoError(t, err)
			require.InDelta(t, d.Seconds(), shown.Seconds(), 0.021, m[0])
		}
	}
}

// A page of the book begins with what its reader can do after it. Those beside the book
// are for looking things up.
func TestAPageOfTheBookBeginsWithWhatItIsFor(t *testing.T) {
	beside := []string{"docs/README.md", "docs/berth-run.md", "docs/evidence.md", "docs/guarantees.md", "docs/versioning.md"}
	for _, p := range read(t, book...) {
		if !slices.Contains(beside, p.Name) {
			require.Regexp(t, `^# .*\n\nAfter this page you `, p.Text, p.Name)
		}
	}
}

// A message that the page on troubleshooting has in a heading is one of berth's: its
// parts stand in the code, with something of each case in between.
func TestMessagesThatThePageOnTroubleshootingQuotesAreInTheCode(t *testing.T) {
	heading := regexp.MustCompile("(?m)^#+ `(.*)`$")
	quoted := heading.FindAllStringSubmatch(read(t, "docs/troubleshooting.md")[0].Text, -1)
	require.Greater(t, len(quoted), 20)
	said := literals(t)
	for _, m := range quoted {
		require.True(t, slices.ContainsFunc(said, func(text string) bool { return says(text, m[1]) }), "nothing says %q", m[1])
	}
}

// says reports whether a literal has the parts of a message, one after the other.
func says(literal, message string) bool {
	for part := range strings.SplitSeq(message, "…") {
		_, rest, ok := strings.Cut(literal, strings.TrimSpace(part))
		if !ok {
			return false
		}
		literal = rest
	}
	return true
}

func TestAMessageIsFoundByItsPartsInTheirOrder(t *testing.T) {
	literal := "no answer of %s within %v: it is stopped"
	require.True(t, says(literal, "no answer of … within …: it is stopped"))
	require.True(t, says(literal, "within …: it is"))
	require.False(t, says(literal, "within … of …"))
	require.False(t, says(literal, "no answer within"))
}

// literals returns the strings in the code that is shipped, those that are written in
// several parts put together.
func literals(t *testing.T) (all []string) {
	t.Helper()
	for _, folder := range []string{"cmd", "dflockd", "engines", "middleware", "pool", "slot", "slothttp", "tracing", "internal"} {
		require.NoError(t, filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				e, ok := n.(ast.Expr)
				if !ok {
					return true
				}
				text, ok := constant(e)
				if ok {
					all = append(all, text)
				}
				return !ok
			})
			return nil
		}))
	}
	return all
}

// constant returns what a literal says, or a sum of literals.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, e.Kind == token.STRING && err == nil
	case *ast.BinaryExpr:
		left, ok := constant(e.X)
		right, also := constant(e.Y)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}
