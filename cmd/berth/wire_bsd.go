//go:build unix && !linux

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

const bootClock = unix.CLOCK_MONOTONIC

func ownProgram() (string, error) { return os.Executable() }

// redirect makes the descriptor that of f.
func redirect(f *os.File, descriptor int) error {
	return unix.Dup2(int(f.Fd()), descriptor)
}
