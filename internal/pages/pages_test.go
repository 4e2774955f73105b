package pages

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const page = "# A page\n\n" +
	"See [one](one.md#a-part), [two](../two.md), [out](https://example.com/x) and `[not](this.md)`.\n" +
	"<picture><source srcset=\"dark.svg\"><img src=\"light.svg\"></picture>\n\n" +
	"<!-- examples/a_test.go -->\n```go\nx := 1\n\ny := [0](not.md)\n```\n\n" +
	"```console\n$ ls\n# no heading\n```\n\n" +
	"## A part: `code`, and [a link](x.md)!\n## A page\n#hashtag\n"

func TestBlocksHaveTheirLanguageAndTheFileThatTheyAreQuotedFrom(t *testing.T) {
	require.Equal(t, []Block{
		{Line: 7, Language: "go", From: "examples/a_test.go", Text: "x := 1\n\ny := [0](not.md)\n"},
		{Line: 13, Language: "console", Text: "$ ls\n# no heading\n"},
	}, Page{Text: page}.Blocks())
}

func TestLinksAreThoseOfTheProse(t *testing.T) {
	require.Equal(t, []string{"one.md#a-part", "../two.md", "dark.svg", "light.svg", "x.md"}, Page{Text: page}.Links())
}

func TestAnchorsAreMadeAsGitHubMakesThem(t *testing.T) {
	require.Equal(t, map[string]bool{"a-page": true, "a-part-code-and-a-link": true, "a-page-1": true}, Page{Text: page}.Anchors())
}

func TestAQuoteHasTheLinesOfItsSourceBehindOneIndent(t *testing.T) {
	source := "func f() {\n\tif x {\n\t\ty()\n\n\t\tz()\n\t}\n}\n"
	for _, text := range []string{source, "if x {\n\ty()\n\n\tz()\n}\n", "y()\n\nz()\n", "\ty()\n", "}\n"} {
		require.True(t, Quotes(source, text), text)
	}
	for _, text := range []string{"y()\nz()\n", "if x {\ny()\n", "if x {\n\ty()\n\n\tz(1)\n", "z()\n\n", "a()\n", source + "more\n"} {
		require.Equal(t, text == "z()\n\n", Quotes(source, text), text)
	}
}

func TestReadReadsWhatAPatternMatches(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "docs"), 0o700))
	for _, name := range []string{"a.md", "b.md", "c.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "docs", name), []byte(name), 0o600))
	}
	read, err := Read(dir, "docs/*.md")
	require.NoError(t, err)
	require.Equal(t, []Page{{"docs/a.md", "a.md"}, {"docs/b.md", "b.md"}}, read)
	_, err = Read(dir, "README.md")
	require.ErrorContains(t, err, "there is no page README.md")
}
