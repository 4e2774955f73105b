//go:build !unix

package main

import "os/exec"

// ownGroup would have the command start in a process group of its own. There are
// none here: only the command itself is killed.
func ownGroup(cmd *exec.Cmd) (kill func() error) {
	return func() error { return cmd.Process.Kill() }
}
