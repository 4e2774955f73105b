//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
)

// everything is a command with a child, one that left its session, and one whose
// parent has ended. None of the four heeds SIGTERM.
func everything(folder string) []string {
	return self("work", folder, "deaf", "child", "session", "orphan")
}

// startEverything runs the command under the slot of k, and returns when it works.
func startEverything(t *testing.T, s *server.Server, flags ...string) (cmd *exec.Cmd, folder string) {
	t.Helper()
	folder = t.TempDir()
	cmd = berthRun(t, urlOf(s), flags, everything(folder)...)
	require.NoError(t, cmd.Start())
	ready(t, folder, 4)
	return cmd, folder
}

// childOf returns the first child of a process: of berth the keeper, of the keeper
// the command.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	for _, children := range threads {
		text, err := os.ReadFile(children)
		require.NoError(t, err)
		if f := strings.Fields(string(text)); len(f) > 0 {
			child, err := strconv.Atoi(f[0])
			require.NoError(t, err)
			return child
		}
	}
	require.Fail(t, "the process has no child")
	return 0
}

func keeperOf(t *testing.T, cmd *exec.Cmd) int { return childOf(t, cmd.Process.Pid) }

// TestNothingOfTheCommandLivesWhenAnotherHoldsTheSlot does to berth what there is to
// be done to it.
func TestNothingOfTheCommandLivesWhenAnotherHoldsTheSlot(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, cmd *exec.Cmd, s *server.Server){
		"berth is killed": func(t *testing.T, cmd *exec.Cmd, _ *server.Server) {
			require.NoError(t, cmd.Process.Kill())
		},
		"the process group of berth is killed": func(t *testing.T, cmd *exec.Cmd, _ *server.Server) {
			require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
		},
		"the keeper is killed": func(t *testing.T, cmd *exec.Cmd, _ *server.Server) {
			require.NoError(t, syscall.Kill(keeperOf(t, cmd), syscall.SIGKILL))
		},
		"the keeper is stopped": func(t *testing.T, cmd *exec.Cmd, _ *server.Server) {
			require.NoError(t, syscall.Kill(keeperOf(t, cmd), syscall.SIGSTOP))
		},
		"the command is killed": func(t *testing.T, cmd *exec.Cmd, _ *server.Server) {
			require.NoError(t, syscall.Kill(childOf(t, keeperOf(t, cmd)), syscall.SIGKILL))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startImpatient(t)
			cmd, folder := startEverything(t, s)
			harm(t, cmd, s)
			other := hold(t, s.Addr().String(), "k")
			requireDead(t, folder)
			require.NoError(t, other.Release())
			_ = cmd.Wait() // with a status that is not looked at here
		})
	}
}

// Where a server frees the slots of a connection that breaks, the keeper survives
// berth, and holds the slot until everything has ended.
func TestNothingOfTheCommandLivesAlsoWhereSlotsAreFreedAtOnce(t *testing.T) {
	for name, harm := range map[string]func(pid int) error{
		"berth is killed":                      func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) },
		"the process group of berth is killed": func(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) },
		"berth is told to end":                 func(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startImpatient(t, server.WithAutoRelease(true))
			folder := t.TempDir()
			cmd := berthRun(t, urlOf(s), []string{"--grace", "100ms"}, self("work", folder, "child", "session", "orphan")...)
			require.NoError(t, cmd.Start())
			ready(t, folder, 4)
			require.NoError(t, harm(cmd.Process.Pid))
			other := hold(t, s.Addr().String(), "k")
			requireDead(t, folder)
			require.NoError(t, other.Release())
			_ = cmd.Wait() // with a status that is not looked at here
		})
	}
}

// The front can be stopped, by Ctrl-Z or by a person. The command itself does not need it
// to end with the keeper.
func TestTheCommandEndsWithTheKeeperAlsoWhileTheFrontIsStopped(t *testing.T) {
	t.Parallel()
	s := startImpatient(t)
	folder := t.TempDir()
	cmd := berthRun(t, urlOf(s), nil, self("work", folder, "deaf")...)
	require.NoError(t, cmd.Start())
	ready(t, folder, 1)
	keeper := keeperOf(t, cmd)
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	require.NoError(t, syscall.Kill(keeper, syscall.SIGKILL))
	other := hold(t, s.Addr().String(), "k")
	requireDead(t, folder)
	require.NoError(t, other.Release())
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	require.Error(t, cmd.Wait())
	require.Equal(t, statusLost, cmd.ProcessState.ExitCode())
}

func TestASlotThatIsTakenBackEndsItsCommand(t *testing.T) {
	s := startImpatient(t, server.WithSecret("hush"), server.WithAdminSecrets("chief")) // which says so at the next renewal
	t.Setenv("BERTH_ENGINE", urlOf(s))
	t.Setenv(secretVariable, "chief")
	folder := t.TempDir()
	cmd := berthRun(t, urlOf(s), nil, self("work", folder, "deaf", "session")...)
	cmd.Env = append(cmd.Env, secretVariable+"=hush")
	out := follow(t, cmd)
	require.NoError(t, cmd.Start())
	ready(t, folder, 2)
	_, shown, _ := said(t, "inspect", "k", "--json")
	var r stateRecord
	require.NoError(t, json.Unmarshal([]byte(shown), &r))
	status, _, errs := said(t, "revoke", "k", r.Holders[0].ID)
	require.Zero(t, status, errs)
	require.Error(t, cmd.Wait())
	require.Equal(t, statusLost, cmd.ProcessState.ExitCode())
	require.Contains(t, out.text(), "somebody has taken it back")
	requireDead(t, folder)
}

// A server that dies grants nothing for a lease after it has come back.
func TestNothingOfTheCommandLivesWhenAServerThatDiedIsBackAndGrants(t *testing.T) {
	t.Parallel()
	s := startImpatient(t)
	cmd, folder := startEverything(t, s, "--grace", "500ms")
	address := s.Addr().String()
	s.Close()
	startImpatient(t, server.WithAddress(address)) // on a fixed address: with a grace of a lease
	other := hold(t, address, "k")
	requireDead(t, folder)
	require.NoError(t, other.Release())
	require.Error(t, cmd.Wait())
	require.Equal(t, statusLost, cmd.ProcessState.ExitCode())
}

func TestWhatTheCommandLeavesBehindHasEndedBeforeTheSlotIsGivenBack(t *testing.T) {
	t.Parallel()
	s := startImpatient(t)
	folder := t.TempDir()
	cmd := berthRun(t, urlOf(s), []string{"--grace", "100ms"}, self("work", folder, "child", "orphan", "parent")...)
	require.NoError(t, cmd.Start())
	ready(t, folder, 2)
	other := hold(t, s.Addr().String(), "k")
	requireDead(t, folder)
	require.NoError(t, other.Release())
	require.NoError(t, cmd.Wait(), "the status is that of the command, which ended by itself")
}
