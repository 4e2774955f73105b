package plain

import (
	"errors"
	"syscall"
)

// portAtConnect lets connections of several local addresses use the same
// local port: the kernel picks one when the connection is made, not before.
func portAtConnect(_, _ string, raw syscall.RawConn) error {
	const bindAddressNoPort = 24 // IP_BIND_ADDRESS_NO_PORT, which package syscall lacks
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_IP, bindAddressNoPort, 1)
	})
	return errors.Join(err, failed)
}
