package stacktest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// leastPromises keeps the page from being emptied by a change of its format.
const leastPromises = 25

// A promise is a list item of docs/guarantees.md that begins in bold.
type promise struct{ title, text string }

var (
	item = regexp.MustCompile(`(?ms)^- \*\*(.*?)\*\*(.*?)(?:\n\n|\n- |\z)`)
	link = regexp.MustCompile(`\[(Test\w+)\]\(([^)#]+)\)`)
)

func TestEachPromiseIsHeldByATestThatExists(t *testing.T) {
	page := filepath.Join("..", "..", "docs", "guarantees.md")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	promises := promisesIn(string(text))
	require.GreaterOrEqual(t, len(promises), leastPromises)
	for _, p := range promises {
		require.NoErrorf(t, held(p, filepath.Dir(page)), "%s", p.title)
	}
}

func promisesIn(page string) (all []promise) {
	for {
		at := item.FindStringSubmatchIndex(page)
		if at == nil {
			return all
		}
		all = append(all, promise{page[at[2]:at[3]], page[at[4]:at[5]]})
		page = page[at[5]:]
	}
}

// held returns an error unless the promise names a test and each test that it
// names is in the file that it links to.
func held(p promise, folder string) error {
	links := link.FindAllStringSubmatch(p.text, -1)
	if len(links) == 0 {
		return fmt.Errorf("no test is named")
	}
	for _, l := range links {
		source, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(l[2])))
		if err != nil {
			return err
		}
		if !strings.Contains(string(source), "func "+l[1]+"(") {
			return fmt.Errorf("%s has no %s", l[2], l[1])
		}
	}
	return nil
}

func TestAPromiseWithoutATestIsFound(t *testing.T) {
	page := "# P\n\n- **One.** By [TestA](a_test.go).\n- **Two,\n  more.** By\n  [TestA](a_test.go) and [TestB](a_test.go).\n\nText.\n\n- **Three.** Nothing.\n"
	promises := promisesIn(page)
	require.Len(t, promises, 3)
	require.Equal(t, "Two,\n  more.", promises[1].title)
	folder := t.TempDir()
	require.Error(t, held(promises[0], folder))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a_test.go"), []byte("package a\n\nfunc TestA(t *testing.T) {}\n"), 0o600))
	require.NoError(t, held(promises[0], folder))
	require.ErrorContains(t, held(promises[1], folder), "a_test.go has no TestB")
	require.ErrorContains(t, held(promises[2], folder), "no test is named")
}
