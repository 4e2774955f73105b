//go:build unix

package server

import "syscall"

// openFiles returns how many files the process may have open.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 256
	}
	return int(min(limit.Cur, 1<<20))
}

// limitOpenFiles lets the process have at most n files open from now on.
func limitOpenFiles(n uint64) error {
	var limit syscall.Rlimit
	set(&limit.Cur, n)
	set(&limit.Max, n)
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// set assigns a number whose type is not the same on all systems.
func set[T int64 | uint64](to *T, n uint64) { *to = T(n) }
