//go:build linux

package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berth-go/berth/dflockd/server"
)

// A session is a shell on a terminal of its own, which runs berth as its job.
type session struct {
	*output
	keys *os.File
	cmd  *exec.Cmd
}

// startSession starts berth run k --limit 1 -- command there.
func startSession(t *testing.T, s *server.Server, command ...string) *session {
	t.Helper()
	return startJob(t, s, append(self("berth", "run", "k", "--limit", "1", "--"), command...)...)
}

// startJob starts a shell with that job on a terminal of 24 lines.
func startJob(t *testing.T, s *server.Server, job ...string) *session {
	t.Helper()
	args := append(self("shell"), job...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(cleanEnvironment(), "BERTH_ENGINE="+urlOf(s))
	keys, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	require.NoError(t, err)
	o := &output{t: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.read(keys)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = keys.Close() // whoever is left there is hung up on
		<-done
	})
	return &session{output: o, keys: keys, cmd: cmd}
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlZ = "\x1a"
)

func (s *session) press(t *testing.T, keys string) {
	t.Helper()
	_, err := s.keys.WriteString(keys)
	require.NoError(t, err)
}

// modes returns how the terminal treats what is typed.
func (s *session) modes(t *testing.T) (flags uint32) {
	t.Helper()
	raw, err := s.keys.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		state, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		require.NoError(t, err)
		flags = state.Lflag
	}))
	return flags
}

// job returns the process id of berth.
func (s *session) job(t *testing.T) int {
	t.Helper()
	s.expect("[job ")
	_, text, _ := strings.Cut(s.text(), "[job ")
	text, _, _ = strings.Cut(text, "]")
	pid, err := strconv.Atoi(text)
	require.NoError(t, err)
	return pid
}

func TestACommandReadsTheTerminal(t *testing.T) {
	t.Parallel()
	s := startSession(t, startServer(t), self("greet")...)
	s.expect("name? ")
	s.press(t, "Ada\n")
	s.expect("hello Ada")
	s.press(t, ctrlD)
	s.expect("[status 7]")
}

func TestCtrlCReachesTheCommandOnce(t *testing.T) {
	t.Parallel()
	s := startSession(t, startServer(t), self("count")...)
	s.expect("counting")
	s.press(t, ctrlC)
	s.expect("<interrupt>")
	require.NoError(t, syscall.Kill(s.job(t), syscall.SIGTERM)) // passed on after what came before
	s.expect("<terminated>")
	require.NoError(t, syscall.Kill(s.job(t), syscall.SIGUSR2))
	s.expect("[status 0]")
	require.Equal(t, 1, strings.Count(s.text(), "<interrupt>"), s.text())
	require.Equal(t, 1, strings.Count(s.text(), "<terminated>"), s.text())
}

func TestCtrlCEndsACommandThatDoesNotCatchIt(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := startSession(t, startImpatient(t), self("work", folder, "session")...)
	ready(t, folder, 2)
	s.press(t, ctrlC)
	s.expect("[status 130]")
	requireDead(t, folder)
}

func TestCtrlZStopsTheCommandWhichKeepsItsSlot(t *testing.T) {
	t.Parallel()
	srv := startImpatient(t)
	s := startSession(t, srv, self("greet")...)
	s.expect("name? ")
	s.press(t, ctrlZ)
	s.expect("[stopped]")
	before := srv.Stats().Locks[0].LeaseLeft
	eventually(t, "the slot is renewed while the command is stopped", func() bool {
		now := srv.Stats().Locks
		require.Len(t, now, 1, "the slot is held")
		renewed := now[0].LeaseLeft > before
		before = now[0].LeaseLeft
		return renewed
	})
	s.press(t, "fg\n")
	s.press(t, "Grace\n")
	s.expect("hello Grace")
	s.press(t, ctrlZ)
	eventually(t, "it stops again", func() bool { return strings.Count(s.text(), "[stopped]") == 2 })
	s.press(t, "fg\n\n")
	s.expect("[status 7]")
}

func TestAStoppedCommandIsEndedWhenItsSlotIsLost(t *testing.T) {
	t.Parallel()
	srv := startImpatient(t)
	folder := t.TempDir()
	s := startSession(t, srv, self("work", folder, "deaf", "child")...)
	ready(t, folder, 2)
	s.press(t, ctrlZ)
	s.expect("[stopped]")
	address := srv.Addr().String()
	srv.Close()
	startImpatient(t, server.WithAddress(address))
	hold(t, address, "k")
	requireDead(t, folder)
	s.press(t, "fg\n")
	s.expect("[status 122]")
}

func TestAStoppedJobIsEndedWhenItsShellIsKilled(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	folder := t.TempDir()
	s := startSession(t, srv, self("work", folder)...)
	ready(t, folder, 1)
	s.press(t, ctrlZ)
	s.expect("[stopped]")
	front := s.job(t)
	require.NoError(t, s.cmd.Process.Kill())
	hold(t, srv.Addr().String(), "k")
	requireDead(t, folder)
	eventually(t, "berth itself has ended", func() bool { return syscall.Kill(front, 0) != nil })
}

func TestAKilledCommandLeavesTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	srv := startImpatient(t)
	folder := t.TempDir()
	s := startSession(t, srv, self("raw", folder)...)
	ready(t, folder, 1)
	require.Zero(t, s.modes(t)&unix.ICANON)
	srv.Close()
	s.expect("[status 122]")
	require.NotZero(t, s.modes(t)&unix.ICANON, "lines are read again")
	require.NotZero(t, s.modes(t)&unix.ECHO)
}

func TestTheWaitForASlotIsSaidOnATerminalAndEndsWithCtrlC(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	hold(t, srv.Addr().String(), "k")
	s := startSession(t, srv, "true")
	s.expect(`berth: waiting for a slot of "k" (limit 1), 0 in front`)
	s.press(t, ctrlC)
	s.expect("[status 130]")
	eventually(t, "the place in line is given up", func() bool { return waiting(srv) == 0 })
}

func TestACommandDoesNotStartWhileItsJobIsStopped(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	other := hold(t, srv.Addr().String(), "k")
	s := startSession(t, srv, "echo", "it", "runs")
	s.expect("waiting for a slot")
	s.press(t, ctrlZ)
	s.expect("[stopped]")
	require.NoError(t, other.Release())
	eventually(t, "the slot is granted", func() bool { return waiting(srv) == 0 && len(srv.Stats().Locks) == 1 })
	require.NotContains(t, s.text(), "it runs")
	s.press(t, "fg\n")
	s.expect("it runs")
	s.expect("[status 0]")
}

func TestTopIsALiveScreenThatEndsCleanly(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	hold(t, srv.Addr().String(), "report")
	s := startJob(t, srv, self("berth", "top", "--interval", "100ms")...)
	s.expect("report")
	s.expect("holds")
	s.press(t, "q")
	s.expect("[status 0]")
	require.Contains(t, s.text(), "\x1b[?1049l", "the screen of before is back")
}
