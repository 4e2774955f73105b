package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzFlags reads any flags, one a line.
func FuzzFlags(f *testing.F) {
	f.Add("-files\n8\n-workers\n2")
	f.Add("-no\nsuch\nflag")
	f.Fuzz(func(t *testing.T, flags string) {
		_, err := parse(strings.Split(flags, "\n"), io.Discard)
		_, again := parse(strings.Split(flags, "\n"), io.Discard)
		require.Equal(t, err, again)
	})
}
