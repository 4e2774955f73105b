//go:build unix

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// roleArg makes the test's program one of the commands that berth runs in tests.
const roleArg = "berth-test-role"

// role plays the one that is named first, and returns the exit status.
func role(args []string) int {
	switch args[0] {
	case "work":
		return work(args[1], args[2:])
	case "count":
		return countSignals()
	case "greet":
		return greet()
	case "raw":
		if _, err := term.MakeRaw(0); err != nil {
			return 94
		}
		return work(args[1], []string{"deaf"})
	case "shut":
		return shut(args[1])
	case "shell":
		return shell(args[1:])
	}
	return 99
}

// work marks itself as alive in the folder, by a lock that the system frees when it
// ends, starts others that do the same, and works for ever.
func work(folder string, how []string) int {
	if slices.Contains(how, "deaf") {
		signal.Ignore(syscall.SIGTERM)
	}
	alive, err := os.OpenFile(filepath.Join(folder, "alive"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil || syscall.Flock(int(alive.Fd()), syscall.LOCK_SH) != nil {
		return 98
	}
	for _, h := range how {
		switch h {
		case "child":
			launch(folder, false, "deaf")
		case "session": // leaves the session, and with it the process group
			launch(folder, true, "deaf")
		case "orphan": // its parent ends at once
			_ = launch(folder, true, "session", "deaf", "parent").Wait()
		}
	}
	if slices.Contains(how, "parent") {
		return 0
	}
	if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("ready-%d", os.Getpid())), nil, 0o600); err != nil {
		return 97
	}
	for {
		time.Sleep(time.Hour)
	}
}

// launch starts another worker and returns when it works, or what it has started.
func launch(folder string, newSession bool, how ...string) *exec.Cmd {
	before := len(workers(folder))
	cmd := exec.Command(os.Args[0], append([]string{roleArg, "work", folder}, how...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: newSession}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	for len(workers(folder)) == before {
		time.Sleep(time.Millisecond)
	}
	return cmd
}

// workers returns the marks of those who have begun to work in the folder.
func workers(folder string) []string {
	found, err := filepath.Glob(filepath.Join(folder, "ready-*"))
	if err != nil {
		panic(err)
	}
	return found
}

// ready waits until n processes of the command work.
func ready(t *testing.T, folder string, n int) {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, mark := range workers(folder) { // what should have ended works for ever
			var pid int
			if _, err := fmt.Sscanf(filepath.Base(mark), "ready-%d", &pid); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	eventually(t, fmt.Sprintf("%d processes work", n), func() bool { return len(workers(folder)) == n })
}

// requireDead fails if a process of the command lives. Each has a lock on a file,
// which the system frees when the process ends.
func requireDead(t *testing.T, folder string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(folder, "alive"), os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), "another holds the slot, and a process of the command lives")
}

// countSignals prints each signal that it gets, and ends with SIGUSR2.
func countSignals() int {
	got := make(chan os.Signal, 16)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(s) {
			signal.Notify(got, s)
		}
	}
	fmt.Println("counting")
	for s := range got {
		fmt.Printf("<%v>\n", s)
		if s == syscall.SIGUSR2 {
			return 0
		}
	}
	return 96
}

// greet asks for a name, as long as there are some.
func greet() int {
	fmt.Print("name? ")
	for in := bufio.NewScanner(os.Stdin); in.Scan() && in.Text() != ""; {
		fmt.Printf("hello %s\nname? ", in.Text())
	}
	return 7
}

// shut closes its input and output, and works on.
func shut(folder string) int {
	_ = os.Stdin.Close()
	_ = os.Stdout.Close()
	return work(folder, nil)
}

// shell runs one job, as a shell with job control does.
func shell(job []string) int {
	signal.Ignore(syscall.SIGTTOU, syscall.SIGTTIN, syscall.SIGTSTP)
	cmd := exec.Command(job[0], job[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Foreground: true, Ctty: 0}
	signal.Reset(syscall.SIGTTOU, syscall.SIGTTIN, syscall.SIGTSTP) // a job does not inherit that
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTTOU, syscall.SIGTTIN, syscall.SIGTSTP)
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return 95
	}
	signal.Ignore(syscall.SIGTTOU)
	fmt.Printf("[job %d]\n", cmd.Process.Pid)
	in := bufio.NewScanner(os.Stdin)
	for {
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil {
			continue
		}
		_ = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, syscall.Getpgrp())
		if !status.Stopped() {
			fmt.Printf("[status %d]\n", status.ExitStatus())
			return 0
		}
		fmt.Println("[stopped]")
		for in.Scan() && strings.TrimSpace(in.Text()) != "fg" {
		}
		_ = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, cmd.Process.Pid)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGCONT)
	}
}
