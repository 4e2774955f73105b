//go:build unix

package proc

import (
	"syscall"
	"time"
)

// OwnCPU returns the processor time that this process has used.
func OwnCPU() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic("bug: getrusage of this process: " + err.Error())
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
