//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup has the command start in a process group of its own, and returns what
// kills all of that group: a test has processes of its own.
func ownGroup(cmd *exec.Cmd) (kill func() error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
