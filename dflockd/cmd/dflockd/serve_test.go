//go:build unix

package main

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shown returns the name on the certificate that the server shows now.
func shown(t *testing.T, address string) string {
	nc, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // the name is what is looked at
	require.NoError(t, err)
	defer func() { _ = nc.Close() }()
	return nc.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestSIGHUPReloadsCertificatesAndDrainsNothing(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, cert, key, "first")
	p := startProgram(t, "--tls-cert", cert, "--tls-key", key)
	nc, err := tls.Dial("tcp", p.address, &tls.Config{InsecureSkipVerify: true}) // whoever it is, it is kept
	require.NoError(t, err)
	defer func() { _ = nc.Close() }()
	r := newReader(nc)
	token := strings.Fields(ask(t, nc, r, "l|k|0"))[1]
	require.Equal(t, "first", shown(t, p.address))

	certificate(t, cert, key, "second")
	p.signal(t, syscall.SIGHUP)
	p.logged(t, "reloaded certificates and secrets")
	require.Equal(t, "second", shown(t, p.address))
	require.Equal(t, "ok 33", ask(t, nc, r, "n|k|"+token), "who is connected stays")
	require.Contains(t, ask(t, nc, r, "l|other|0"), "ok ", "nothing drains")
}

func TestABrokenFileAtSIGHUPChangesNothingAndIsLoggedAsAnError(t *testing.T) {
	dir := t.TempDir()
	cert, key, ca := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")
	certificate(t, cert, key, "first")
	good, err := os.ReadFile(cert)
	require.NoError(t, err)
	certificate(t, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), "authority")
	p := startProgram(t, "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca)
	for what, breakIt := range map[string]func(){
		"no certificate":   func() { require.NoError(t, os.WriteFile(cert, []byte("none"), 0o600)) },
		"another's key":    func() { certificate(t, cert, filepath.Join(dir, "not-its-key.pem"), "second") },
		"no authority":     func() { require.NoError(t, os.WriteFile(ca, nil, 0o600)) },
		"a file that went": func() { require.NoError(t, os.Remove(cert)) },
	} {
		authority, err := os.ReadFile(ca)
		require.NoError(t, err)
		breakIt()
		p.signal(t, syscall.SIGHUP)
		require.Contains(t, p.logged(t, `level=ERROR msg="reload failed: .*`), "stay as they were", what)
		require.Equal(t, "first", shown(t, p.address), what)
		require.NoError(t, os.WriteFile(cert, good, 0o600))
		require.NoError(t, os.WriteFile(ca, authority, 0o600))
	}
	p.signal(t, syscall.SIGHUP)
	p.logged(t, "reloaded")
}

// accepted reports whether this secret is right now.
func (p *program) accepted(t *testing.T, secret string) bool {
	nc, r := p.dial(t)
	return ask(t, nc, r, "auth|_|"+secret) == "ok"
}

func TestSecretIsChangedWithoutAnOutage(t *testing.T) {
	secrets := file(t, "old\n")
	p := startProgram(t, "--auth-token-file", secrets)
	reload := func(text string) {
		require.NoError(t, os.WriteFile(secrets, []byte(text), 0o600))
		p.signal(t, syscall.SIGHUP)
		p.logged(t, "reloaded certificates and secrets")
	}
	nc, r := p.dial(t)
	require.Equal(t, "ok", ask(t, nc, r, "auth|_|old"))
	require.False(t, p.accepted(t, "new"))

	reload("new\nold\n")
	require.True(t, p.accepted(t, "new"))
	require.True(t, p.accepted(t, "old"), "clients that have the old one still come")
	reload("new\n")
	require.True(t, p.accepted(t, "new"))
	require.False(t, p.accepted(t, "old"))
	require.Contains(t, ask(t, nc, r, "l|k|0"), "ok ", "who came in with the old one stays")
}

func TestAdministratorsHaveASecretOfTheirOwnThatChangesWithTheOthers(t *testing.T) {
	secrets, admins := file(t, "sesame\n"), file(t, "old\n")
	p := startProgram(t, "--auth-token-file", secrets, "--admin-token-file", admins)
	administers := func(secret string) string {
		nc, r := p.dial(t)
		require.Equal(t, "ok", ask(t, nc, r, "auth|_|"+secret))
		return ask(t, nc, r, "pause|k|0")
	}
	require.Equal(t, "ok", administers("old"))
	require.Equal(t, "error_not_allowed", administers("sesame"))

	require.NoError(t, os.WriteFile(admins, []byte("new\n"), 0o600))
	p.signal(t, syscall.SIGHUP)
	p.logged(t, "reloaded certificates and secrets")
	require.Equal(t, "ok", administers("new"))
	require.False(t, p.accepted(t, "old"))

	require.NoError(t, os.WriteFile(secrets, []byte("another\n"), 0o600))
	require.NoError(t, os.WriteFile(admins, []byte("a\x00b\n"), 0o600))
	p.signal(t, syscall.SIGHUP)
	p.logged(t, "reload failed")
	require.True(t, p.accepted(t, "sesame"), "all is replaced together, or nothing")
}

func TestABrokenSecretAtSIGHUPChangesNothingAndIsLoggedAsAnError(t *testing.T) {
	dir := t.TempDir()
	cert, key, secrets := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), file(t, "sesame\n")
	certificate(t, cert, key, "first")
	p := startProgram(t, "--tls-cert", cert, "--tls-key", key, "--auth-token-file", secrets)
	certificate(t, cert, key, "second") // a good one, which waits for the secret
	for _, broken := range []string{"", "a\nb\nc\n", "a\x00b\n"} {
		require.NoError(t, os.WriteFile(secrets, []byte(broken), 0o600))
		p.signal(t, syscall.SIGHUP)
		line := p.logged(t, `level=ERROR msg="reload failed: .*`)
		require.Contains(t, line, "stay as they were")
		require.Equal(t, "first", shown(t, p.address), "all or nothing")
		nc, err := tls.Dial("tcp", p.address, &tls.Config{InsecureSkipVerify: true}) // the secret is what is looked at
		require.NoError(t, err)
		require.Equal(t, "ok", ask(t, nc, newReader(nc), "auth|_|sesame"))
		_ = nc.Close()
	}
	require.NoError(t, os.WriteFile(secrets, []byte("open\n"), 0o600))
	p.signal(t, syscall.SIGHUP)
	p.logged(t, "reloaded")
	require.Equal(t, "second", shown(t, p.address))
}

func TestAFileThatCannotBeReadToItsEndHoldsUpNoDrain(t *testing.T) {
	m, path := newManager(t)
	secrets := file(t, "sesame\n")
	p := startProgramIn(t, []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=20000"}, "--port", "0", "--auth-token-file", secrets)
	require.NoError(t, os.Remove(secrets))
	require.NoError(t, syscall.Mkfifo(secrets, 0o600)) // nobody will ever write to it
	for range 2 {
		p.signal(t, syscall.SIGHUP)
	}
	for !strings.HasPrefix(m.hears(t), "RELOADING=1") { // the one before may be on its way
	}
	for range 3 {
		require.Equal(t, "WATCHDOG=1", m.hears(t), "it goes on")
	}
	require.True(t, p.accepted(t, "sesame"))
	p.signal(t, syscall.SIGTERM)
	require.Zero(t, p.wait())
}

func TestNoSIGTERMIsLostAmongOtherSignals(t *testing.T) {
	for range 10 {
		p := startProgram(t)
		for range 30 {
			p.signal(t, syscall.SIGHUP)
		}
		p.signal(t, syscall.SIGTERM)
		require.Zero(t, p.wait())
	}
}

func TestASecondSIGTERMEndsADrain(t *testing.T) {
	for range 10 {
		p := startProgram(t, "--shutdown-timeout", "0")
		nc, r := p.dial(t)
		require.Contains(t, ask(t, nc, r, "l|k|0"), "ok ")
		p.signal(t, syscall.SIGTERM)
		p.logged(t, "draining") // else the system may make one of two
		p.signal(t, syscall.SIGTERM)
		require.NotZero(t, p.wait(), "somebody was cut off")
	}
}

func TestASIGHUPWhileFilesAreReadIsNotLost(t *testing.T) {
	secrets := file(t, "old\n")
	p := startProgram(t, "--auth-token-file", secrets)
	require.NoError(t, os.Remove(secrets))
	require.NoError(t, syscall.Mkfifo(secrets, 0o600))
	p.signal(t, syscall.SIGHUP)
	pipe, err := os.OpenFile(secrets, os.O_WRONLY, 0) // returns once the program reads
	require.NoError(t, err)
	require.NoError(t, os.Remove(secrets))
	require.NoError(t, os.WriteFile(secrets, []byte("new\n"), 0o600))
	p.signal(t, syscall.SIGHUP)
	require.Eventually(t, func() bool { return p.accepted(t, "old") }, time.Minute, time.Millisecond)
	_, err = pipe.WriteString("between\n")
	require.NoError(t, err)
	require.NoError(t, pipe.Close())
	p.logged(t, "reloaded certificates and secrets")
	require.Eventually(t, func() bool { return p.accepted(t, "new") }, time.Minute, 10*time.Millisecond)
}

func TestACertificateThatHasEndedIsRefused(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, cert, key, "first")
	c := &certificates{cert: cert, key: key}
	_, err := c.read()
	require.NoError(t, err)
	_, err = c.readAt(time.Now().Add(2 * time.Hour))
	require.ErrorContains(t, err, "ended on")
}

func TestStrictProgramGrantsNothingAfterARestartUntilLeasesOfBeforeAreOver(t *testing.T) {
	host, port := freeAddress(t)
	start := func() *program {
		return startProgramIn(t, nil, "--host", host, "--port", port, "--metrics-addr", "127.0.0.1:0", "--no-auto-release-on-disconnect")
	}
	first := start()
	require.Contains(t, first.logged(t, "startup grace: .*"), "startup_grace=1m0s longest_lease=1m0s")
	require.NoError(t, first.cmd.Process.Kill())
	first.wait()

	second := start()
	metrics := second.logged(t, "serving figures.* address=(.*)")
	nc, r := second.dial(t)
	require.Equal(t, "timeout", ask(t, nc, r, "l|k|0"), "a holder of before may still count on it")
	require.Equal(t, "error", ask(t, nc, r, "n|k|"+strings.Repeat("0", 32)), "renewals are answered")
	status, body := get(t, metrics, "/readyz")
	require.Equal(t, 200, status, "whoever holds a slot must get through")
	require.Contains(t, body, "grace")
	require.Contains(t, ask(t, nc, r, "hello|_|1"), "max_lease_s=60", "the longest lease follows")
}

func TestUnsafeMixOfGraceAndLeaseStartsOnlyByName(t *testing.T) {
	_, port := freeAddress(t)
	args := []string{"--port", port, "--no-auto-release-on-disconnect", "--startup-grace", "59"}
	p := launch(t, nil, args...)
	require.NotZero(t, p.wait())
	require.Len(t, p.rest(), 1)
	require.Contains(t, p.rest()[0], "--unsafe-short-startup-grace")

	p = startProgramIn(t, nil, append(args, "--unsafe-short-startup-grace")...)
	p.logged(t, "level=WARN .*held twice after a restart")
}

func TestAddressesOfIPv6MayBeWrittenInAnyWay(t *testing.T) {
	if ln, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here")
	} else {
		_ = ln.Close()
	}
	for _, host := range []string{"::1", "[::1]", "0:0:0:0:0:0:0:1", "[0000::0001]", "::1%lo", "[::1%lo]"} {
		if strings.Contains(host, "%") && !hasInterface("lo") {
			continue
		}
		p := startProgram(t, "--host", host)
		require.Contains(t, p.address, "[::1", host)
		p.dial(t)
	}
}

func hasInterface(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

func TestLogLinesAreTextOrJSONFromALevelOn(t *testing.T) {
	p := startProgram(t, "--log-format", "json", "--log-level", "info")
	p.signal(t, syscall.SIGTERM)
	line := p.logged(t, ".*draining.*")
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &fields))
	require.Equal(t, "draining", fields["msg"])

	graced := startProgram(t, "--log-format", "json", "--startup-grace", "90")
	require.Equal(t, "1m30s", graced.logged(t, `"startup_grace":"([^"]*)"`), "a duration has its unit")

	_, port, err := net.SplitHostPort(graced.address)
	require.NoError(t, err)
	second := launch(t, nil, "--port", port, "--log-format", "json")
	require.Equal(t, exitFailed, second.wait())
	require.Len(t, second.rest(), 1)
	require.NoError(t, json.Unmarshal([]byte(second.rest()[0]), &fields), "the last line is no exception")
	require.Equal(t, "ERROR", fields["level"])
	require.Contains(t, fields["msg"], "cannot listen on "+graced.address)

	loud := startProgram(t, "--debug", "--log-level", "warn", "--log-format", "text")
	nc, r := loud.dial(t)
	require.Equal(t, "error", ask(t, nc, r, "nonsense|k|"))
	loud.logged(t, "level=DEBUG .*malformed request")

	host, port := freeAddress(t)
	quiet := launch(t, nil, "--port", port, "--log-level", "error")
	require.Eventually(t, func() bool {
		nc, err := net.Dial("tcp", net.JoinHostPort(host, port))
		return err == nil && nc.Close() == nil
	}, time.Minute, time.Millisecond)
	quiet.signal(t, syscall.SIGTERM)
	require.Zero(t, quiet.wait())
	require.Empty(t, quiet.rest(), "nothing under the level")
}

func TestUnixSocketServesAloneOrBesideTCP(t *testing.T) {
	dir, err := os.MkdirTemp("", "d")
	require.NoError(t, err)
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "socket")
	p := startProgramIn(t, nil, "--no-tcp", "--unix", path, "--unix-mode", "0660")
	require.Equal(t, path, p.address)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm())
	nc, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer func() { _ = nc.Close() }()
	require.Contains(t, ask(t, nc, newReader(nc), "l|k|0"), "ok ")

	second := launch(t, nil, "--port", "0", "--unix", path)
	require.Equal(t, exitFailed, second.wait())
	require.Contains(t, second.rest()[0], "another server listens there")

	require.NoError(t, p.cmd.Process.Kill())
	p.wait()
	p = startProgram(t, "--unix", path) // where the killed one left its socket
	p.logged(t, "listening address="+path)
	p.signal(t, syscall.SIGTERM)
	require.Zero(t, p.wait())
	_, err = os.Lstat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A manager is a service manager that listens on a NOTIFY_SOCKET.
type manager struct{ *net.UnixConn }

func newManager(t *testing.T) (manager, string) {
	dir, err := os.MkdirTemp("", "d")
	require.NoError(t, err)
	path := filepath.Join(dir, "notify")
	nc, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close(); _ = os.RemoveAll(dir) })
	return manager{nc}, path
}

// hears returns the next datagram.
func (m manager) hears(t *testing.T) string {
	buf := make([]byte, 4096)
	require.NoError(t, m.SetReadDeadline(time.Now().Add(time.Minute)))
	n, err := m.Read(buf)
	require.NoError(t, err)
	return string(buf[:n])
}

func TestServiceManagerHearsOfReadinessReloadAndTheEnd(t *testing.T) {
	m, path := newManager(t)
	p := startProgramIn(t, []string{"NOTIFY_SOCKET=" + path}, "--port", "0")
	require.Equal(t, "READY=1\nSTATUS=serving on "+p.address, m.hears(t))
	p.signal(t, syscall.SIGHUP)
	require.Regexp(t, `^RELOADING=1(\nMONOTONIC_USEC=[1-9][0-9]+)?$`, m.hears(t))
	require.Contains(t, m.hears(t), "READY=1\n")
	p.signal(t, syscall.SIGTERM)
	require.Contains(t, m.hears(t), "STOPPING=1\n")
	require.Zero(t, p.wait())
}

func TestServiceManagerHearsThatTheServerAnswersAsOftenAsItAsks(t *testing.T) {
	m, path := newManager(t)
	startProgramIn(t, []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=20000"}, "--port", "0")
	require.Contains(t, m.hears(t), "READY=1")
	for range 3 {
		require.Equal(t, "WATCHDOG=1", m.hears(t))
	}
}

func TestAManagerThatIsGoneStopsNothing(t *testing.T) {
	p := startProgramIn(t, []string{"NOTIFY_SOCKET=/does/not/exist"}, "--port", "0")
	p.logged(t, "level=WARN .*cannot tell the service manager")
	nc, r := p.dial(t)
	require.Equal(t, "ok", ask(t, nc, r, "ping|_|_"))
}

func TestSIGHUPDuringADrainEndsNothing(t *testing.T) {
	p := startProgram(t)
	nc, r := p.dial(t)
	token := strings.Fields(ask(t, nc, r, "l|k|0"))[1]
	p.signal(t, syscall.SIGTERM)
	p.logged(t, "draining")
	p.signal(t, syscall.SIGHUP)
	require.Equal(t, "ok 33", ask(t, nc, r, "n|k|"+token))
	require.Equal(t, "ok", ask(t, nc, r, "r|k|"+token))
	_, err := io.Copy(io.Discard, nc)
	require.NoError(t, err)
	require.Zero(t, p.wait())
}
