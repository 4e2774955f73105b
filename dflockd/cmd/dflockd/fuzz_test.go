package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCommandLine reads any flags and variables, one a line. Whatever they are, the
// same settings or the same error come out of them again, and the error is one line.
func FuzzCommandLine(f *testing.F) {
	f.Add("--host\n::1\n--port=6389", "DFLOCKD_MAX_LOCKS=0\nHOME=/root")
	f.Add("--no-auto-release-on-disconnect\n--max-lease\n60", "DFLOCKD_STARTUP_GRACE_S=9223372037")
	f.Add("--port\n0x5", "DFLOCKD_PORT=tcp://10.0.0.1:6388")
	f.Fuzz(func(t *testing.T, flags, variables string) {
		if strings.Contains(flags+variables, "FILE") || strings.Contains(flags, "file") {
			t.Skip("files of this machine are no concern of a test")
		}
		for _, cl := range []*commandLine{&serving, &pinging} {
			s, err := cl.parse(strings.Split(flags, "\n"), environ(strings.Split(variables, "\n")))
			again, errAgain := cl.parse(strings.Split(flags, "\n"), environ(strings.Split(variables, "\n")))
			require.Equal(t, s, again)
			if err == nil {
				require.NoError(t, errAgain)
				continue
			}
			require.EqualError(t, errAgain, err.Error())
			require.NotContains(t, err.Error(), "\n")
		}
	})
}

// FuzzSecretsFile reads a file of secrets. There are one or two of them, none is empty,
// and none has a space at its ends.
func FuzzSecretsFile(f *testing.F) {
	f.Add([]byte("sesame\n"))
	f.Add([]byte("\uFEFFnew\r\n\r\n old \r\n"))
	f.Add([]byte("\n \n"))
	f.Add([]byte("a\nb\nc"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "secrets")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		secrets, err := (&secretSource{file: path}).read()
		if err != nil {
			require.Contains(t, err.Error(), path)
			return
		}
		require.LessOrEqual(t, len(secrets), maxSecrets)
		require.NotEmpty(t, secrets)
		require.False(t, slices.ContainsFunc(secrets, func(s string) bool { return s == "" || s != strings.TrimSpace(s) }))
	})
}
