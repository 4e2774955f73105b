//go:build unix

package engine

import (
	"os/exec"
	"syscall"
)

// ownGroup has the command start in a process group of its own, which a terminal does
// not interrupt.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills the command and all that it has started.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
