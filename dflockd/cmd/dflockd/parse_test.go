package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noEnv = environment{}

func file(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestDefaultsAreThoseOfTheOriginal(t *testing.T) {
	s, err := serving.parse(nil, noEnv)
	require.NoError(t, err)
	require.Equal(t, &settings{
		host: "127.0.0.1", port: 6388, unixMode: 0o600, defaultLease: 33 * time.Second, autoRelease: true, maxLocks: 1024,
		maxPlaces: 10_000, maxSlots: 10_000, maxAhead: 64 << 10, maxConnsPerIP: 16_384,
		readTimeout: 23 * time.Second, writeTimeout: 5 * time.Second, shutdownTimeout: 30 * time.Second, unused: time.Minute,
	}, s)
}

func TestEachSettingIsReadFromItsFlagAndFromItsVariable(t *testing.T) {
	secretFile := file(t, "sesame\n")
	values := map[string]string{
		"SECONDS": "7", "N": "7", "PORT": "7", "ADDRESS": "::1", "HOST:PORT": ":9", "FILE": secretFile, "SECRET": "sesame", "BYTES": "7000",
		"PATH": "/run/dflockd", "MODE": "660", "text|json": "json", "LEVEL": "warn", "": "yes", "NAME": "example.org",
	}
	for _, cl := range []*commandLine{&serving, &pinging} {
		for row := range cl.rows() {
			value := values[row.value]
			if row.flag == "auto-release-on-disconnect" {
				value = "no"
			}
			require.NotEmpty(t, value, row.flag)
			before, err := cl.parse(nil, noEnv)
			require.NoError(t, err)
			byFlag, err := cl.parse([]string{"--" + row.flag + "=" + value}, noEnv)
			require.NoError(t, err, row.flag)
			require.NotEqual(t, before, byFlag, row.flag)
			byFlag.secret.rank, byFlag.admin.rank = 0, 0
			for _, name := range row.env {
				byEnv, err := cl.parse(nil, environment{name: value})
				require.NoError(t, err, name)
				byEnv.secret.rank, byEnv.admin.rank = 0, 0
				require.Equal(t, byFlag, byEnv, name)
			}
		}
	}
}

func TestFlagWinsOverTheEnvironment(t *testing.T) {
	vars := environment{
		"DFLOCKD_PORT": "1", "DFLOCKD_AUTO_RELEASE_ON_DISCONNECT": "1", "DFLOCKD_AUTH_TOKEN": "of the environment", "DFLOCKD_MAX_LOCKS": "",
	}
	s, err := serving.parse([]string{"-port", "2", "--no-auto-release-on-disconnect", "--auth-token-file", file(t, " of the file \n")}, vars)
	require.NoError(t, err)
	require.Equal(t, 2, s.port)
	require.False(t, s.autoRelease)
	require.Equal(t, []string{"of the file"}, secretsOf(t, s))
	require.Equal(t, 1024, s.maxLocks, "an empty variable counts as not set")

	s, err = serving.parse(nil, vars)
	require.NoError(t, err)
	require.Equal(t, []string{"of the environment"}, secretsOf(t, s))
}

func TestAFileOfSecretsIsReadOnceAtTheStart(t *testing.T) {
	secrets := file(t, "sesame\n")
	s, err := serving.parse([]string{"--auth-token-file", secrets}, nil)
	require.NoError(t, err)
	require.NoError(t, os.Remove(secrets)) // as a pipe is, which a shell makes of <(…)
	d := &daemon{set: s}
	_, err = d.options()
	require.NoError(t, err)
}

func TestWhatAnEditorPutsAroundSecretsIsNoPartOfThem(t *testing.T) {
	s, err := serving.parse([]string{"--auth-token-file", file(t, "\uFEFFnew\r\n\r\n\told \r\n")}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"new", "old"}, secretsOf(t, s))
}

func secretsOf(t *testing.T, s *settings) []string {
	secrets, err := s.secret.read()
	require.NoError(t, err)
	return secrets
}

func TestWrongSettingRefusesToStartWithOneLineThatNamesIt(t *testing.T) {
	type vars = environment
	for _, tc := range []struct {
		args []string
		env  vars
		want string
	}{
		{[]string{"--nope"}, nil, "--nope"},
		{[]string{"stray"}, nil, "stray"},
		{[]string{"--port"}, nil, "--port"},
		{[]string{"--port", "65536"}, nil, "--port"},
		{[]string{"--port", "+1"}, nil, "--port"},
		{[]string{"--port", "0x10"}, nil, "--port"},
		{[]string{"--default-lease-ttl", "0"}, nil, "--default-lease-ttl"},
		{[]string{"--max-lease", "18446744074"}, nil, "--max-lease"},
		{[]string{"--read-timeout", "-1"}, nil, "--read-timeout"},
		{[]string{"--debug=perhaps"}, nil, "--debug"},
		{[]string{"--auth-token", ""}, nil, "--auth-token"},
		{[]string{"--auth-token", "a\nb"}, nil, "secret"},
		{[]string{"--auth-token-file", "/does/not/exist"}, nil, "/does/not/exist"},
		{[]string{"--auth-token-file", file(t, " \n")}, nil, "holds no secret"},
		{[]string{"--tls-cert", "x"}, nil, "--tls-key"},
		{[]string{"--tls-cert", "/no/cert", "--tls-key", "/no/key"}, nil, "/no/cert"},
		{[]string{"--tls-client-ca", "x"}, nil, "--tls-client-ca"},
		{[]string{"--max-lease", "5"}, nil, "default lease"},
		{[]string{"--metrics-addr", "nowhere"}, nil, "nowhere"},
		{[]string{"--metrics-addr", "::1:9090"}, nil, "[::1]:9090"},
		{[]string{"--host", ""}, nil, "--host"},
		{[]string{"--host", "[::1"}, nil, "[::1"},
		{[]string{"--host", "[localhost]"}, nil, "[localhost]"},
		{[]string{"--host", "[::1]:6388"}, nil, "port"},
		{[]string{"--host", "127.0.0.1:6388"}, nil, "port"},
		{[]string{"--log-format", "xml"}, nil, "--log-format"},
		{[]string{"--log-level", "loud"}, nil, "--log-level"},
		{[]string{"--unix-mode", "0999"}, nil, "--unix-mode"},
		{[]string{"--unix-mode", "1777"}, nil, "--unix-mode"},
		{[]string{"--no-tcp"}, nil, "--unix"},
		{[]string{"--auth-token-file", file(t, "a\nb\nc\n")}, nil, "3 lines"},
		{[]string{"--auth-token-file", file(t, "a\x00b\n")}, nil, "secret"},
		{nil, vars{"DFLOCKD_MAX_LOCKS": "http"}, "DFLOCKD_MAX_LOCKS"},
		{nil, vars{"DFLOCKD_MAX_WAITERS": "many"}, "DFLOCKD_MAX_WAITERS"},
		{nil, vars{"DFLOCKD_GC_LOOP_SLEEP": "x"}, "DFLOCKD_GC_LOOP_SLEEP"},
		{nil, vars{"DFLOCKD_GC_MAX_IDLE_S": "x"}, "DFLOCKD_GC_MAX_IDLE_S"},
		{nil, vars{"DFLOCKD_AUTH_TOKEN": ""}, "DFLOCKD_AUTH_TOKEN"},
		{nil, vars{"DFLOCKD_AUTH_TOKEN_FILE": ""}, "DFLOCKD_AUTH_TOKEN_FILE"},
		{nil, vars{"DFLOCKD_AUTO_RELEASE_ON_DISCONNECT": "maybe"}, "DFLOCKD_AUTO_RELEASE_ON_DISCONNECT"},
	} {
		var stderr bytes.Buffer
		status := run(append([]string{"--port=0"}, tc.args...), tc.env, io.Discard, &stderr)
		require.NotZero(t, status, "%v %v", tc.args, tc.env)
		require.Contains(t, stderr.String(), tc.want)
		require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
		require.NotContains(t, stderr.String(), "a\nb")
	}
}

func TestHelpNamesEachSettingItsVariableAndItsDefault(t *testing.T) {
	var help bytes.Buffer
	require.Equal(t, exitOK, run([]string{"--help"}, noEnv, &help, io.Discard))
	for row := range serving.rows() {
		require.Contains(t, help.String(), "--"+row.flag)
		require.Contains(t, help.String(), strings.Join(row.env, " or "))
		require.Contains(t, help.String(), row.initial)
	}
	help.Reset()
	require.Equal(t, exitOK, run([]string{"ping", "--help"}, noEnv, &help, io.Discard))
	for row := range pinging.rows() {
		require.Contains(t, help.String(), "--"+row.flag)
	}
	var out bytes.Buffer
	require.Equal(t, exitOK, run([]string{"--version"}, noEnv, &out, io.Discard))
	require.Contains(t, out.String(), "berth")
}
