//go:build !unix

package mutation_test

import "os/exec"

// ownGroup would have the command start in a process group of its own. There
// are none here: only the command itself is killed.
func ownGroup(cmd *exec.Cmd) (kill func()) {
	return func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	}
}
