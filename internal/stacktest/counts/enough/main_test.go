package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"
)

func TestTooFewCountsAreAnError(t *testing.T) {
	var lines strings.Builder
	for suite, of := range counts.Least {
		fmt.Fprintln(&lines, suite, of)
	}
	file := filepath.Join(t.TempDir(), "counts")
	require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o600))
	require.NoError(t, run([]string{file}))

	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, run([]string{file}), "dflockd/server.TestTranscripts did not run")
	require.Error(t, run([]string{file + "-that-is-not-there"}))
	require.ErrorContains(t, run(nil), counts.Variable)
}
