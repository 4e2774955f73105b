package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzVersion reads any tag. A version is written as it was read.
func FuzzVersion(f *testing.F) {
	for _, text := range []string{"v0.2.0", "v1.999999999.0", "v2.0.0", "v0.2", "0.2.0", "v01.2.3", "v0.2.0-rc.1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseVersion(text)
		if err != nil {
			return
		}
		require.Equal(t, text, v.String())
	})
}
