package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

// said runs the program in this process.
func said(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = execute(args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestPingSaysWhetherTheEngineAnswers(t *testing.T) {
	s := startServer(t)
	t.Setenv("BERTH_ENGINE", urlOf(s))
	status, out, errs := said(t, "ping")
	require.Zero(t, status, errs)
	require.Contains(t, out, urlOf(s)+" answered in ")
	status, out, _ = said(t, "ping", "--json")
	require.Zero(t, status)
	require.True(t, json.Valid([]byte(out)), out)
	status, out, errs = said(t, "ping", "--engine", "dflockd://127.0.0.1:1")
	require.Equal(t, statusNoEngine, status, "the flag wins over the variable")
	require.Empty(t, out)
	require.Contains(t, errs, "nothing listens there")
	require.NotContains(t, errs, "With", "that is what Go calls it")
}

func TestLsListsTheKeysThatAreInUse(t *testing.T) {
	s := startServer(t)
	t.Setenv("BERTH_ENGINE", urlOf(s))
	status, out, _ := said(t, "ls")
	require.Zero(t, status)
	require.Empty(t, out)
	status, out, _ = said(t, "ls", "--json")
	require.Zero(t, status)
	require.Equal(t, "[]\n", out)
	hold(t, s.Addr().String(), "build-a")
	hold(t, s.Addr().String(), "report")
	_, out, _ = said(t, "ls")
	require.Regexp(t, `(?s)^KEY +HELD +LIMIT +WAITING +SERVER\nbuild-a +1 +1 +0 .*report +1 +1 +0 .*$`, out)
	_, out, _ = said(t, "ls", "build-")
	require.Contains(t, out, "build-a")
	require.NotContains(t, out, "report")
	_, out, _ = said(t, "ls", "rep", "--json")
	require.JSONEq(t, `[{"server":"`+s.Addr().String()+`","key":"report","limit":1,"held":1,"waiting":0}]`, out)
}

func TestInspectShowsWhoHoldsAndWhoWaits(t *testing.T) {
	s := startServer(t)
	t.Setenv("BERTH_ENGINE", urlOf(s))
	held := hold(t, s.Addr().String(), "k")
	src, err := dflockd.NewSource(slot.Fixed("k", 1), dflockd.WithServers(s.Addr().String()), dflockd.WithName("next"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = src.Close(context.Background()) })
	_, err = src.Enqueue(context.Background(), "k")
	require.NoError(t, err)
	status, out, errs := said(t, "inspect", "k")
	require.Zero(t, status, errs)
	require.Regexp(t, `(?s)^k: 1 held, 1 waiting\n\nHOLDER +ID +LIMIT .*WAITER .*next +1 +1 `, out)
	require.Contains(t, out, slot.DefaultName())
	_, out, _ = said(t, "inspect", "k", "--json")
	var r stateRecord
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, fmt.Sprintf("%016x", held.Info().Fence), r.Holders[0].ID)
	require.Equal(t, "next", r.Waiters[0].Name)
	_, out, _ = said(t, "inspect", "unknown")
	require.Equal(t, "unknown: 0 held, 0 waiting\n", out)
}

func TestAnAdministratorPausesAKeyAndEndsThePause(t *testing.T) {
	s := startServer(t, server.WithSecret("hush"), server.WithAdminSecrets("chief"))
	t.Setenv("BERTH_ENGINE", urlOf(s))
	t.Setenv(secretVariable, "chief")
	status, out, errs := said(t, "pause", "k", "1h")
	require.Zero(t, status, errs)
	require.Empty(t, out)
	_, out, _ = said(t, "inspect", "k")
	require.Contains(t, out, "k: 0 held, 0 waiting, paused for ")
	status, _, errs = said(t, "pause", "k", "0")
	require.Zero(t, status, errs)
	_, out, _ = said(t, "inspect", "k")
	require.Equal(t, "k: 0 held, 0 waiting\n", out)
	status, _, errs = said(t, "revoke", "k", "0000000000000001")
	require.Equal(t, statusFailed, status)
	require.Contains(t, errs, "nobody holds")
	t.Setenv(secretVariable, "hush")
	status, _, errs = said(t, "pause", "k", "1s")
	require.Equal(t, statusFailed, status, errs)
	require.Contains(t, errs, "the secret of an administrator (--admin-token-file of the server, --secret-file here)")
}

func TestWhatMayNotBeDoneIsSaid(t *testing.T) {
	s := startServer(t)
	t.Setenv("BERTH_ENGINE", urlOf(s))
	for _, args := range [][]string{{"pause", "k", "soon"}, {"pause", "k", "-1s"}, {"pause", "k"}, {"revoke", "k"}, {"inspect"}, {"inspect", "a b"}} {
		status, _, errs := said(t, args...)
		require.Equal(t, statusMisused, status, "%v: %s", args, errs)
	}
	for _, args := range [][]string{{"pause", "k", "1h"}, {"revoke", "k", "0000000000000001"}} {
		status, out, errs := said(t, args...)
		require.Equal(t, statusFailed, status, "%v: %s", args, errs)
		require.Empty(t, out)
		require.NotEmpty(t, errs)
	}
}

func TestAServerThatDoesNotAnswerHidesNotTheKeysOfTheOthers(t *testing.T) {
	s := startServer(t)
	hold(t, s.Addr().String(), "k")
	status, out, errs := said(t, "ls", "--engine", urlOf(s)+",127.0.0.1:1")
	require.Equal(t, statusNoEngine, status)
	require.Contains(t, out, "k ")
	require.Contains(t, errs, "127.0.0.1:1")
}

func TestAVariableThatCannotBeReadIsNamed(t *testing.T) {
	t.Setenv("BERTH_TLS", "perhaps")
	status, _, errs := said(t, "ping", "--engine", "dflockd://127.0.0.1:1")
	require.Equal(t, statusMisused, status)
	require.Contains(t, errs, `the variable BERTH_TLS is "perhaps", which is no value for --tls`)
}

func TestVersionSaysWhatItIs(t *testing.T) {
	status, out, _ := said(t, "version")
	require.Zero(t, status)
	require.Contains(t, out, "berth ")
	require.Contains(t, out, runtime.Version())
	_, flag, _ := said(t, "--version")
	require.Equal(t, out, flag)
	_, out, _ = said(t, "version", "--json")
	var v map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &v))
	require.Equal(t, runtime.GOOS, v["os"])
}

// A line that is completed is not run, whatever stands in it.
func TestCompletionOffersWhatThereIsAndRunsNothing(t *testing.T) {
	s := startServer(t)
	hold(t, s.Addr().String(), "build-a")
	t.Setenv("BERTH_ENGINE", urlOf(s))
	_, out, _ := said(t, "__complete", "")
	for _, command := range []string{"run\t", "ls\t", "ping\t", "version\t", "completion\t"} {
		require.Contains(t, out, command)
	}
	require.NotContains(t, out, keeperName)
	_, out, _ = said(t, "__complete", "run", "bu")
	require.Contains(t, out, "build-a\n")
	mark := filepath.Join(t.TempDir(), "mark")
	_, out, _ = said(t, "__complete", "run", "k", "--limit", "1", "--", "touch", mark, "")
	require.NoFileExists(t, mark)
	require.Contains(t, out, ":0\n", "the shell completes names of files")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		status, script, _ := said(t, "completion", shell)
		require.Zero(t, status)
		require.True(t, strings.Contains(script, "berth"), shell)
	}
}

func TestASecretComesFromAFileOrAVariable(t *testing.T) {
	s := startServer(t, server.WithSecret("hush"))
	t.Setenv("BERTH_ENGINE", urlOf(s))
	status, _, errs := said(t, "ping")
	require.Equal(t, statusNoEngine, status)
	require.Contains(t, errs, "the server asks for a secret: give it (--secret-file)")
	t.Setenv(secretVariable, "wrong")
	status, _, errs = said(t, "ping")
	require.Equal(t, statusNoEngine, status)
	require.NotContains(t, errs, "wrong")
	t.Setenv(secretVariable, "hush")
	status, _, errs = said(t, "ping")
	require.Zero(t, status, errs)
}
