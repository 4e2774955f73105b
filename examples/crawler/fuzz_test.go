package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzFlags reads any flags, one a line.
func FuzzFlags(f *testing.F) {
	f.Add("-pages\n600\n-procs=3")
	f.Add("-url\nhttps://example.com/\n-url\nhttp://[::1]:8080\n-contact\n(\n-rate=1e308")
	f.Add("-no\nsuch\nflag")
	f.Fuzz(func(t *testing.T, flags string) {
		_, err := parse(strings.Split(flags, "\n"), io.Discard)
		_, again := parse(strings.Split(flags, "\n"), io.Discard)
		require.Equal(t, err, again)
	})
}

// FuzzURL reads any web address. One that is accepted is in its final form.
func FuzzURL(f *testing.F) {
	f.Add("https://example.com/")
	f.Add("HTTP://EXAMPLE.com:80/%7ea/../b?q#f")
	f.Add("ftp://example.com/")
	f.Add("https://user@[::1%25eth0]:443")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseURL(text)
		if err != nil {
			return
		}
		again, err := parseURL(u.String())
		require.NoError(t, err)
		require.Equal(t, u.String(), again.String())
		require.NotEmpty(t, u.Host)
	})
}
