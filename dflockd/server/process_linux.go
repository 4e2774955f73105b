package server

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// readSystem asks the kernel.
func (f *processFigures) readSystem() {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil {
		f.cpuSeconds = (time.Duration(used.Utime.Nano()) + time.Duration(used.Stime.Nano())).Seconds()
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(statm); len(fields) > 1 {
			pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
			f.residentBytes = float64(pages) * float64(os.Getpagesize())
		}
	}
	var limit syscall.Rlimit
	if files, err := os.ReadDir("/proc/self/fd"); err == nil && syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		f.openFiles, f.maxFiles = float64(len(files)), float64(limit.Cur)
	}
}
