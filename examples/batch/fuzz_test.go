package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzManifest reads any record of what is done. What is written from it is read as the
// same.
func FuzzManifest(f *testing.F) {
	f.Add("0a1b  main.go.gz\n2c3d  pool/pool.go.gz\n")
	f.Add("0a1b  main.go.gz\n2c3d  pool/poo")
	f.Add("no sum\n\n  \n  two  spaces  \n")
	f.Fuzz(func(t *testing.T, text string) {
		out := t.TempDir()
		name := filepath.Join(out, manifestName)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		m, err := readManifest(out)
		require.NoError(t, err)
		require.LessOrEqual(t, len(m.sums), strings.Count(text, "\n"))
		require.NoError(t, m.begin(nil))
		require.NoError(t, m.f.Close())
		again, err := readManifest(out)
		require.NoError(t, err)
		require.Equal(t, m.sums, again.sums)
	})
}

// FuzzFlags reads any flags, one a line.
func FuzzFlags(f *testing.F) {
	f.Add("-workers\n8")
	f.Add("-in\n.\n-out\nx\n-workers=-1")
	f.Fuzz(func(t *testing.T, flags string) {
		_, err := parse(strings.Split(flags, "\n"), io.Discard)
		again, errAgain := parse(strings.Split(flags, "\n"), io.Discard)
		require.Equal(t, err, errAgain, "%v", again)
	})
}
