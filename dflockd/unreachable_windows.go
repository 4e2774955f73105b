package dflockd

import (
	"errors"
	"syscall"
)

// Windows has numbers of its own for sockets.
const (
	wsaConnectionAborted = syscall.Errno(10053)
	wsaConnectionReset   = syscall.Errno(10054)
	wsaConnectionRefused = syscall.Errno(10061)
)

func connectionRefused(err error) bool { return errors.Is(err, wsaConnectionRefused) }

func connectionReset(err error) bool {
	return errors.Is(err, wsaConnectionReset) || errors.Is(err, wsaConnectionAborted)
}
