//go:build unix

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
)

// berthRun is berth run KEY --limit 1 with flags and a command, away from any
// terminal.
func berthRun(t *testing.T, url string, flags []string, command ...string) *exec.Cmd {
	t.Helper()
	args := append(self("berth", "run", "k", "--limit", "1"), flags...)
	args = append(append(args, "--"), command...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(cleanEnvironment(), "BERTH_ENGINE="+url)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	t.Cleanup(func() {
		if t.Failed() && cmd.Process != nil && cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
		}
	})
	return cmd
}

// cleanEnvironment is ours without what berth reads.
func cleanEnvironment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BERTH_") {
			env = append(env, v)
		}
	}
	return env
}

// statusOf runs the command and returns its status and what it printed.
func statusOf(t *testing.T, cmd *exec.Cmd) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); !ok {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestTheStatusIsThatOfTheCommandOrSaysWhatWentWrong(t *testing.T) {
	s := startServer(t)
	busy := startServer(t)
	hold(t, busy.Addr().String(), "k") // until the end of the test
	noExec := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(noExec, []byte("no program"), 0o600))
	for _, tc := range []struct {
		name, url string
		flags     []string
		command   []string
		status    int
		says      string
	}{
		{"success", urlOf(s), nil, []string{"true"}, 0, ""},
		{"failure", urlOf(s), nil, []string{"sh", "-c", "exit 3"}, 3, ""},
		{"the highest", urlOf(s), nil, []string{"sh", "-c", "exit 255"}, 255, ""},
		{"a signal", urlOf(s), nil, []string{"sh", "-c", "kill -TERM $$"}, 143, ""},
		{"SIGKILL", urlOf(s), nil, []string{"sh", "-c", "kill -KILL $$"}, 137, ""},
		{"no such command", urlOf(s), nil, []string{"no-such-command"}, 127, `berth: there is no command "no-such-command"`},
		{"no such path", urlOf(s), nil, []string{"/no/such/command"}, 127, `there is no command "/no/such/command"`},
		{"no program", urlOf(s), nil, []string{noExec}, 126, "permission denied"},
		{"none free", urlOf(busy), []string{"--timeout", "0"}, []string{"true"}, 120, `no slot of "k" is free`},
		{"none in time", urlOf(busy), []string{"--timeout", "20ms"}, []string{"true"}, 120, `no slot of "k" was granted within 20ms`},
		{"none, with another number", urlOf(busy), []string{"--timeout", "0", "--status-not-granted", "9"}, []string{"true"}, 9, "is free"},
		{"no engine", "dflockd://127.0.0.1:1", nil, []string{"true"}, 121, "nothing listens there"},
		{"no engine, with another number", "dflockd://127.0.0.1:1", []string{"--status-no-engine", "0"}, []string{"true"}, 0, "nothing listens there"},
		{"an unknown engine", "zookeeper://127.0.0.1:1", nil, []string{"true"}, 125, `there is no engine "zookeeper"`},
		{"no engine is named", "", nil, []string{"true"}, 125, "BERTH_ENGINE"},
		{"no limit", urlOf(s), []string{"--limit", "0"}, []string{"true"}, 125, "--limit is 0"},
		{"a lease that cannot be", urlOf(s), []string{"--lease", "-1s"}, []string{"true"}, 125, "--lease is -1s"},
		{"a grace that does not fit", urlOf(s), []string{"--grace", "1m", "--lease", "10s"}, []string{"true"}, 125, "a grace of 1m0s does not fit into the lease"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			status, _, errs := statusOf(t, berthRun(t, tc.url, tc.flags, tc.command...))
			require.Equal(t, tc.status, status, errs)
			require.Contains(t, errs, tc.says)
			require.LessOrEqual(t, strings.Count(errs, "\n"), 1, errs)
			if tc.says == "" {
				require.Empty(t, errs)
			}
		})
	}
}

func TestACommandThatStandsBehindNoDashesIsAsked(t *testing.T) {
	for _, args := range [][]string{
		{"run", "k", "--limit", "1", "true"},
		{"run", "--limit", "1", "--", "true"},
		{"run", "k", "--limit", "1", "--"},
		{"run", "k", "--", "true"},
		{"run", "k", "--limit", "many", "--", "true"},
		{"runn", "k"},
		{"ls", "a", "b"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, statusMisused, execute(args, &out, &errs), args)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), "%v: %s", args, errs.String())
		require.Contains(t, errs.String(), "--help)")
		require.Empty(t, out.String())
	}
}

func TestTheCommandHasKeyAndFenceInItsEnvironment(t *testing.T) {
	s := startServer(t)
	status, first, _ := statusOf(t, berthRun(t, urlOf(s), nil, "sh", "-c", "echo $BERTH_KEY; echo $BERTH_FENCE"))
	require.Zero(t, status)
	status, second, _ := statusOf(t, berthRun(t, urlOf(s), nil, "sh", "-c", "echo $BERTH_KEY; echo $BERTH_FENCE"))
	require.Zero(t, status)
	require.Regexp(t, `^k\n[0-9]{19}\n$`, first)
	require.Less(t, first, second, "a later grant has a higher fence")
}

// Whoever looks sees the name that run was given.
func TestTheNameIsShownToWhoeverLooks(t *testing.T) {
	s := startServer(t)
	cmd := berthRun(t, urlOf(s), []string{"--name", "nightly"}, self("berth", "inspect", "k")...)
	status, out, errs := statusOf(t, cmd)
	require.Zero(t, status, errs)
	require.Regexp(t, `nightly +[0-9a-f]{16} +1 `, out)
}

func TestInputOutputAndOtherFilesAreThoseOfTheCommand(t *testing.T) {
	s := startServer(t)
	data := strings.Repeat("all bytes \x00\xff\n", 40_000)
	cmd := berthRun(t, urlOf(s), nil, "sh", "-c", "tee /dev/fd/3")
	cmd.Stdin = strings.NewReader(data)
	copied, theirs, err := os.Pipe()
	require.NoError(t, err)
	cmd.ExtraFiles = []*os.File{theirs} // 3, which the command is to have as 3
	var third []byte
	var wg sync.WaitGroup
	wg.Go(func() {
		third, _ = io.ReadAll(copied)
		_ = copied.Close()
	})
	status, out, errs := statusOf(t, cmd)
	_ = theirs.Close()
	wg.Wait()
	require.Zero(t, status, errs)
	require.Equal(t, data, out)
	require.Equal(t, data, string(third))
}

// Nobody but the command has the other ends of the pipes.
func TestAPipeThatTheCommandClosesIsClosed(t *testing.T) {
	s := startServer(t)
	folder := t.TempDir()
	cmd := berthRun(t, urlOf(s), nil, self("shut", folder)...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadAll(out)
	require.NoError(t, err, "the output ends while the command works on")
	for err == nil {
		_, err = in.Write(make([]byte, 1<<16))
	}
	require.ErrorIs(t, err, syscall.EPIPE)
	ready(t, folder, 1)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.Equal(t, 143, cmd.ProcessState.ExitCode())
}

func TestEachSignalReachesTheCommandOnce(t *testing.T) {
	s := startServer(t)
	cmd := berthRun(t, urlOf(s), nil, self("count")...)
	out := follow(t, cmd)
	require.NoError(t, cmd.Start())
	out.expect("counting")
	var want strings.Builder
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGINT, syscall.SIGUSR2} {
		require.NoError(t, syscall.Kill(-cmd.Process.Pid, sig), "to the whole group, as timeout and many runners do")
		want.WriteString("<" + sig.String() + ">\n")
		out.expect(want.String())
	}
	require.NoError(t, cmd.Wait())
	require.Equal(t, "counting\n"+want.String(), out.text())
}

func TestWhatIsIgnoredAtTheStartIsIgnoredByTheCommand(t *testing.T) {
	s := startServer(t)
	run := berthRun(t, urlOf(s), nil, self("count")...)
	cmd := exec.Command("sh", append([]string{"-c", `trap "" HUP; exec "$@"`, "sh"}, run.Args...)...)
	cmd.Env, cmd.SysProcAttr = run.Env, run.SysProcAttr
	out := follow(t, cmd)
	require.NoError(t, cmd.Start())
	out.expect("counting")
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	require.NoError(t, cmd.Process.Signal(syscall.SIGUSR2))
	require.NoError(t, cmd.Wait())
	require.Equal(t, "counting\n<user defined signal 2>\n", out.text())
}

func TestASignalEndsTheWaitForASlot(t *testing.T) {
	s := startServer(t)
	other := hold(t, s.Addr().String(), "k")
	defer func() { _ = other.Release() }()
	cmd := berthRun(t, urlOf(s), []string{"--json"}, "true")
	out := follow(t, cmd)
	require.NoError(t, cmd.Start())
	out.expect(`"queued"`)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.Equal(t, 143, cmd.ProcessState.ExitCode())
	eventually(t, "the place in line is given up", func() bool { return waiting(s) == 0 })
}

// Who started berth and does not read what it says ends no command by that.
func TestABrokenStandardErrorEndsNothing(t *testing.T) {
	s := startServer(t)
	cmd := berthRun(t, urlOf(s), []string{"--json"}, "sh", "-c", "cat >/dev/null; exit 4")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	unread, theirs, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, unread.Close())
	cmd.Stderr = theirs
	require.NoError(t, cmd.Start())
	require.NoError(t, theirs.Close())
	eventually(t, "the command runs", func() bool { return len(s.Stats().Locks) == 1 })
	require.NoError(t, in.Close())
	require.Error(t, cmd.Wait())
	require.Equal(t, 4, cmd.ProcessState.ExitCode())
}

func TestWithJSONEachEventIsALine(t *testing.T) {
	s := startServer(t)
	status, out, errs := statusOf(t, berthRun(t, urlOf(s), []string{"--json"}, "sh", "-c", "echo out; exit 6"))
	require.Equal(t, 6, status)
	require.Equal(t, "out\n", out, "standard output is the command's")
	var events []string
	for line := range strings.Lines(errs) {
		var r record
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		require.Equal(t, "k", r.Key)
		events = append(events, r.Event)
	}
	require.Equal(t, []string{"granted", "started", "over"}, events)
}

// Moving to another engine changes the URL and nothing else.
func TestACommandRunsUnderASlotOfRedis(t *testing.T) {
	s := miniredis.RunT(t)
	url := "redis://" + s.Addr()
	folder := t.TempDir()
	first := berthRun(t, url, []string{"--name", "first", "--grace", "100ms"}, self("work", folder, "child", "session")...)
	require.NoError(t, first.Start())
	ready(t, folder, 3)
	status, out, errs := said(t, "inspect", "k", "--engine", url)
	require.Zero(t, status, errs)
	require.Contains(t, out, "first")
	second := berthRun(t, url, []string{"--json"}, "echo", "it runs")
	printed := follow(t, second)
	require.NoError(t, second.Start())
	printed.expect(`"queued"`)
	require.NoError(t, first.Process.Kill())
	require.NoError(t, second.Wait())
	requireDead(t, folder)
	require.Contains(t, printed.text(), "it runs")
	_ = first.Wait() // it was killed
}

func TestTheKeeperSpeaksTLSAndShowsTheSecret(t *testing.T) {
	certificate, authority := selfSigned(t)
	s := startServer(t, server.WithSecret("hush"), server.WithTLS(&tls.Config{Certificates: []tls.Certificate{certificate}}))
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("hush\n"), 0o600))
	cmd := berthRun(t, urlOf(s), []string{"--secret-file", secret}, "echo", "granted")
	cmd.Env = append(cmd.Env, "BERTH_TLS_CA="+authority)
	status, out, errs := statusOf(t, cmd)
	require.Zero(t, status, errs)
	require.Equal(t, "granted\n", out)
	status, _, errs = statusOf(t, berthRun(t, urlOf(s), []string{"--secret-file", secret, "--tls"}, "true"))
	require.Equal(t, statusNoEngine, status)
	require.Contains(t, errs, "certificate")
}

// selfSigned returns a certificate for 127.0.0.1, and the file of who signed it.
func selfSigned(t *testing.T) (certificate tls.Certificate, authority string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	authority = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, authority
}

// waiting returns how many wait on a server.
func waiting(s *server.Server) (n int) {
	st := s.Stats()
	for _, l := range st.Locks {
		n += l.Waiters
	}
	return n
}
