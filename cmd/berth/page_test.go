//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A page shows what was typed behind a $, and what it printed below.
var console = regexp.MustCompile("(?s)```console\n(.*?)```")

// TestTheExamplesOfThePageDoWhatItShows types what docs/berth-run.md shows.
func TestTheExamplesOfThePageDoWhatItShows(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "berth-run.md"))
	require.NoError(t, err)
	blocks := console.FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(blocks), 5)
	for _, b := range blocks {
		script, want := example(b[1])
		t.Run(strings.SplitN(b[1], "\n", 2)[0], func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, typed(t, script))
		})
	}
}

// example takes a block apart: into a script and what it prints. A command that
// goes on in the background has its slot before the next one begins.
func example(block string) (script, printed string) {
	for line := range strings.Lines(block) {
		command, ok := strings.CutPrefix(line, "$ ")
		switch {
		case ok && strings.HasSuffix(command, "&\n"):
			script += command + "until berth ls 2>&1 | grep -q ' 1 '; do :; done\n"
		case ok:
			script += command
		default:
			printed += line
		}
	}
	return script, printed
}

// typed runs a script in whose PATH berth is, and returns what it printed.
func typed(t *testing.T, script string) string {
	t.Helper()
	s := startServer(t)
	bin := t.TempDir()
	berth := "#!/bin/sh\nexec " + os.Args[0] + " " + roleArg + " berth \"$@\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "berth"), []byte(berth), 0o700))
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append(cleanEnvironment(), "PATH="+bin+":"+os.Getenv("PATH"), "BERTH_ENGINE="+urlOf(s))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	printed, err := os.CreateTemp(bin, "printed")
	require.NoError(t, err)
	defer printed.Close()
	cmd.Stdout, cmd.Stderr = printed, printed // a file: what is in the background has it, too
	require.NoError(t, cmd.Run())
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // what is in the background, if there is any
	eventually(t, "everything has ended", func() bool { return len(s.Stats().Locks) == 0 })
	text, err := os.ReadFile(printed.Name())
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), s.Addr().String(), "127.0.0.1:6388")
}
