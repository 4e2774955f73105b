package dflockd

import (
	"os"
	"syscall"
)

// userTimeout is TCP_USER_TIMEOUT, see tcp(7): for how many milliseconds sent
// data may stay unacknowledged. Package syscall does not name it.
const userTimeout = 18

// limitUnacknowledged breaks the connection when the server has acknowledged
// nothing for as long as silence may last. Without it the kernel goes on for
// about a quarter of an hour.
func limitUnacknowledged(_, _ string, raw syscall.RawConn) (err error) {
	if closed := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, userTimeout, int(silenceLimit.Milliseconds()))
	}); closed != nil {
		return closed
	}
	return os.NewSyscallError("setsockopt", err)
}
