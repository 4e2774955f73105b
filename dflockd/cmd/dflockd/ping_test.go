package main

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pinged runs ping and returns its status and what it printed.
func pinged(env environment, args ...string) (status int, stdout, stderr string) {
	var out, complaint bytes.Buffer
	status = run(append([]string{"ping"}, args...), env, &out, &complaint)
	return status, out.String(), complaint.String()
}

func TestPingIsAnsweredByAServerThatServes(t *testing.T) {
	p := startProgram(t)
	host, port, err := net.SplitHostPort(p.address)
	require.NoError(t, err)
	status, out, _ := pinged(noEnv, "--host", host, "--port", port)
	require.Equal(t, exitOK, status)
	require.Contains(t, out, p.address+" answered in ")
	status, _, _ = pinged(environment{"DFLOCKD_HOST": "0.0.0.0", "DFLOCKD_PORT": port})
	require.Equal(t, exitOK, status, "all addresses mean this machine")

	free, port := freeAddress(t)
	status, _, complaint := pinged(noEnv, "--host", free, "--port", port)
	require.Equal(t, exitFailed, status)
	require.Equal(t, 1, strings.Count(complaint, "\n"))
	require.Contains(t, complaint, port)
}

func TestPingOfAServerThatHangsEndsWithItsTimeout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections, and nobody serves them
	require.NoError(t, err)
	defer func() { _ = ln.Close() }()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	status, _, complaint := pinged(noEnv, "--port", port, "--timeout", "1")
	require.Equal(t, exitFailed, status)
	require.Contains(t, complaint, "no answer")
}

func TestPingShowsTheSecretAndChecksTheCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, cert, key, "server")
	secret, wrong := file(t, "sesame\n"), file(t, "open\n")
	p := startProgram(t, "--auth-token-file", secret, "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", cert)
	_, port, err := net.SplitHostPort(p.address)
	require.NoError(t, err)
	client := []string{"--port", port, "--tls-cert", cert, "--tls-key", key}

	for name, tc := range map[string]struct {
		args []string
		want string // "": an answer
	}{
		"right":                 {[]string{"--tls-ca", cert, "--auth-token-file", secret}, ""},
		"right, by its name":    {[]string{"--tls-ca", cert, "--auth-token", "sesame", "--tls-server-name", "localhost"}, ""},
		"wrong secret":          {[]string{"--tls-ca", cert, "--auth-token-file", wrong}, "refused the secret"},
		"no secret":             {[]string{"--tls-ca", cert}, "wants a secret"},
		"unknown authority":     {[]string{"--tls", "--auth-token-file", secret}, "certificate"},
		"another name":          {[]string{"--tls-ca", cert, "--tls-server-name", "example.org"}, "example.org"},
		"no authority in there": {[]string{"--tls-ca", secret}, "no certificate"},
	} {
		status, _, complaint := pinged(noEnv, append(client, tc.args...)...)
		require.Equal(t, tc.want == "", status == exitOK, "%s: %s", name, complaint)
		require.Contains(t, complaint, tc.want, name)
		require.NotContains(t, complaint, "sesame")
	}
}

func TestPingWithoutTLSSaysThatTheServerSpeaksIt(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, cert, key, "server")
	p := startProgram(t, "--tls-cert", cert, "--tls-key", key)
	_, port, err := net.SplitHostPort(p.address)
	require.NoError(t, err)
	status, _, complaint := pinged(noEnv, "--port", port)
	require.Equal(t, exitFailed, status)
	require.Contains(t, complaint, "speaks TLS: use --tls")
}

func TestPingSendsNoSecretInPlainTextToAnotherMachine(t *testing.T) {
	status, _, complaint := pinged(noEnv, "--host", "192.0.2.1", "--auth-token", "sesame")
	require.Equal(t, exitUsage, status)
	require.Contains(t, complaint, "--tls")
	require.NotContains(t, complaint, "sesame")
}

func TestPingOfAServerWithoutASecretSaysSo(t *testing.T) {
	p := startProgram(t)
	_, port, err := net.SplitHostPort(p.address)
	require.NoError(t, err)
	status, _, complaint := pinged(noEnv, "--port", port, "--auth-token", "sesame")
	require.Equal(t, exitFailed, status)
	require.Contains(t, complaint, "has no secret")
}
