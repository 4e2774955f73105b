package main

import (
	"os"

	"golang.org/x/sys/unix"
)

const bootClock = unix.CLOCK_BOOTTIME

// ownProgram is this program, also when its file was replaced meanwhile.
func ownProgram() (string, error) { return "/proc/self/exe", nil }

// redirect makes the descriptor that of f.
func redirect(f *os.File, descriptor int) error {
	return unix.Dup3(int(f.Fd()), descriptor, 0)
}
