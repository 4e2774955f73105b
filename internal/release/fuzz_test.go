package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzVersion(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseVersion(text)
		if err != nil {
			require.NotContains(t, err.Error(), "\n", "one line")
			return
		}
		require.Equal(t, text, v.String())
		require.LessOrEqual(t, v[0], 1)
		last, found := latest([]string{"v0.0.0", text})
		require.True(t, found)
		require.Equal(t, v, last)
	})
}

// A release adds a heading to the changelog, and changes no word of it.
func FuzzChangelog(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		got, err := dated(text, version{0, 2, 0}, today)
		if err != nil {
			return
		}
		before, after, found := strings.Cut(got, "\n## [0.2.0] - 2026-11-26\n")
		require.True(t, found)
		require.Equal(t, text, before+after)
		require.True(t, strings.HasSuffix(before, "\n"+unreleased), "nothing is left in front of it")
	})
}
