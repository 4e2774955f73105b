//go:build unix

package keeper

import "syscall"

// isStop reports whether a signal stops whoever does not catch it.
func isStop(s syscall.Signal) bool {
	return s == syscall.SIGTSTP || s == syscall.SIGTTIN || s == syscall.SIGTTOU
}

// isContinue reports whether a signal is the one that undoes a stop.
func isContinue(s syscall.Signal) bool { return s == syscall.SIGCONT }
