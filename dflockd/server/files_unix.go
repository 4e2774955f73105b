//go:build unix

package server

import (
	"net"
	"os"
	"syscall"
)

// maxSpareFiles is how many file descriptors connections leave to others, or
// an eighth of them if that is less.
const maxSpareFiles = 16

// isSpare reports whether a new file with this descriptor has taken one of
// those that are spared. The lowest that is free is taken, so all below it are
// in use.
func isSpare(fd uintptr) bool {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return false
	}
	most := uint64(limit.Cur)
	return uint64(fd) >= most-min(maxSpareFiles, most/8)
}

// isSpareFile is isSpare for a connection that was just accepted.
func isSpareFile(nc net.Conn) (spare bool) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	// An error means that it is closed, so that its descriptor is free.
	_ = raw.Control(func(fd uintptr) { spare = isSpare(fd) })
	return spare
}

// filesToSpare reports whether another connection would take none of those.
func filesToSpare() bool {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return !isSpare(f.Fd())
}
