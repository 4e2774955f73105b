package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"
)

// In the file of the tests below, the block of line 4 is in f.
const source = `package p

func f(ok bool) error {
	if ok {
		// Why.
		return nil
	}
	return errNot
}
`

func TestABlockThatNoProgramExecutedIsFound(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "p.go"), []byte(source), 0o600))
	const mode, never, once = "mode: set\n", module + "p.go:4.8,7.3 1 0\n", module + "p.go:4.8,7.3 1 1\n"
	for profile, want := range map[string][]block{
		mode + never:        {{"p.go", 6, "f", "return nil"}},
		mode + never + once: nil,
		mode + module + "p.go:8.2,8.15 0 0\nsomebody.else/p.go:4.8,7.3 1 0\n": nil,
	} {
		found, err := uncovered(root, profile)
		require.NoError(t, err)
		require.Equal(t, want, found, profile)
	}
	_, err := uncovered(root, module+"p.go:4.8,70.3 1 0\n")
	require.ErrorContains(t, err, "of another version")
}

func TestWhatHasNoReasonIsAnError(t *testing.T) {
	root, err := counts.Root(".")
	require.NoError(t, err)
	require.NoError(t, judge(root, nil))
	require.ErrorContains(t, judge(root, []block{{"dflockd/beat.go", 1, "f", "nothing of the kind"}}), "1 places have neither a test nor a reason")
}

func TestEachReasonSaysWhyAndIsAboutCodeThatIsThere(t *testing.T) {
	root, err := counts.Root(".")
	require.NoError(t, err)
	require.Empty(t, stale(root))
	for _, r := range reasons {
		require.NotEmpty(t, strings.TrimSpace(r.why), r.function)
	}
}
