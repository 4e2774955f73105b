//go:build unix

package mutation_test

import (
	"os/exec"
	"syscall"
)

// ownGroup has the command start in a process group of its own, and returns
// what kills all of that group.
func ownGroup(cmd *exec.Cmd) (kill func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return func() {
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	}
}
