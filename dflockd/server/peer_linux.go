package server

import (
	"fmt"
	"net"
	"syscall"
)

// unixUser names the user at the other end.
func unixUser(nc *net.UnixConn) string {
	raw, err := nc.SyscallConn()
	if err != nil {
		return unixPeer
	}
	var cred *syscall.Ucred
	if err := raw.Control(func(fd uintptr) {
		cred, _ = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil || cred == nil {
		return unixPeer
	}
	return fmt.Sprintf("uid %d", cred.Uid)
}
