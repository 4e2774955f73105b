package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var binary string // the program, built once

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dflockd")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "dflockd")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

// ask sends a request, with | for its line breaks, and returns the answer.
func ask(t *testing.T, nc net.Conn, r *bufio.Reader, request string) string {
	_, err := io.WriteString(nc, strings.ReplaceAll(request, "|", "\n")+"\n")
	require.NoError(t, err)
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(line, "\n")
}

func TestProgramAnswersAllTenCommandsAndDrainsOnSIGTERM(t *testing.T) {
	p := startProgram(t)
	nc, r := p.dial(t)
	var token string
	for _, step := range []struct{ request, want string }{
		{"l|lock|0 7", "ok TOKEN 7"},
		{"n|lock|TOKEN 9", "ok 9"},
		{"n|lock|TOKEN", "ok 33"},
		{"r|lock|TOKEN", "ok"},
		{"r|lock|TOKEN", "error"},
		{"e|lock|", "acquired TOKEN 33"},
		{"e|lock|", "error_already_enqueued"},
		{"w|lock|0", "ok TOKEN 33"},
		{"w|lock|0", "error_not_enqueued"},
		{"r|lock|TOKEN", "ok"},
		{"sl|sem|0 2", "ok TOKEN 33"},
		{"sl|sem|0 2 5", "ok TOKEN 5"},
		{"sl|sem|0 2", "timeout"},
		{"sl|sem|0 3", "error_limit_mismatch"},
		{"sn|sem|TOKEN 6", "ok 6"},
		{"se|sem|2", "queued"},
		{"sr|sem|TOKEN", "ok"},
		{"sw|sem|1", "ok TOKEN 33"},
		{"sr|sem|TOKEN", "ok"},
		{"se|sem|2 4", "acquired TOKEN 4"},
		{"nonsense|sem|2 4", "error"},
	} {
		got := ask(t, nc, r, strings.ReplaceAll(step.request, "TOKEN", token))
		if m := regexp.MustCompile(`[0-9a-f]{32}`).FindString(got); m != "" {
			token = m
			got = strings.ReplaceAll(got, m, "TOKEN")
		}
		require.Equal(t, step.want, got, "%q", step.request)
	}
	p.signal(t, syscall.SIGTERM)
	require.Eventually(t, func() bool { return ask(t, nc, r, "l|new|0") == "error_draining" }, time.Minute, 10*time.Millisecond)
	require.Equal(t, "ok", ask(t, nc, r, "sr|sem|"+token), "a holder is served while the server drains")
}

func TestProgramStopsWithStatusZeroWhenNobodyHoldsASlot(t *testing.T) {
	p := startProgram(t)
	p.signal(t, syscall.SIGTERM)
	require.Zero(t, p.wait())
}

func TestAddressInUseIsOneLine(t *testing.T) {
	address := startProgram(t).address
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	var stderr bytes.Buffer
	require.Equal(t, exitFailed, run([]string{"--port", port}, noEnv, io.Discard, &stderr))
	require.Contains(t, stderr.String(), "cannot listen on "+address)
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
}
