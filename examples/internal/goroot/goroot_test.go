package goroot

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDirHoldsGosOwnSources(t *testing.T) {
	dir, err := Dir()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "src", "fmt", "print.go"))
	require.NoError(t, err)
	require.Contains(t, string(text), "package fmt")
}

func TestFolderWithoutSourcesIsRefused(t *testing.T) {
	_, err := check(t.TempDir())
	require.ErrorContains(t, err, "no folder src")
	_, err = check("")
	require.Error(t, err)
}

func TestMissingGoCommandIsSaid(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Dir()
	require.ErrorContains(t, err, "go env GOROOT")
}
