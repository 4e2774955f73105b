//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// letGo lets go of standard input and output, which are the command's: else who
// writes to the one would not notice that the command has closed it, and who reads
// the other would wait for its end.
func letGo() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return // they are kept, which only such a command could notice
	}
	defer null.Close()
	_ = redirect(null, unix.Stdin)
	_ = redirect(null, unix.Stdout)
}
