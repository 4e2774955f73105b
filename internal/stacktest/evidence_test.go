package stacktest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEachCommandInTheEvidenceNamesWhatIsThere looks at the commands that
// docs/evidence.md shows: their targets of make, folders and tests must exist.
func TestEachCommandInTheEvidenceNamesWhatIsThere(t *testing.T) {
	const root = "../.."
	page, err := os.ReadFile(filepath.Join(root, "docs", "evidence.md"))
	require.NoError(t, err)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	commands := commandsIn(string(page))
	require.GreaterOrEqual(t, len(commands), 8)
	for _, command := range commands {
		if target, ok := strings.CutPrefix(command, "make "); ok {
			target, _, _ = strings.Cut(target, " ")
			require.Containsf(t, string(makefile), "\n"+target+":", "%s", command)
		}
		folder := regexp.MustCompile(`\./[\w/]+`).FindString(command)
		if folder == "" {
			continue
		}
		source := sources(t, filepath.Join(root, folder))
		require.NotEmptyf(t, source, "%s: there is no Go in %s", command, folder)
		for _, name := range regexp.MustCompile(`\^((?:Test|Fuzz)\w+)\$`).FindAllStringSubmatch(command, -1) {
			require.Containsf(t, source, "func "+name[1]+"(", "%s", command)
		}
	}
}

// commandsIn returns the lines of the blocks of commands on a page.
func commandsIn(page string) (all []string) {
	for i, part := range strings.Split(page, "```\n") {
		if i%2 == 1 {
			all = append(all, strings.Split(strings.TrimSpace(part), "\n")...)
		}
	}
	return all
}

// sources returns the text of all Go files in a folder.
func sources(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}
