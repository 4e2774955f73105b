package server

import (
	"fmt"
	"net"
	"syscall"
)

// unixPeer names the user at the other end, as far as limits of one address
// go, or returns "".
func unixPeer(nc *net.UnixConn) string {
	raw, err := nc.SyscallConn()
	if err != nil {
		return ""
	}
	var cred *syscall.Ucred
	if err := raw.Control(func(fd uintptr) {
		cred, _ = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil || cred == nil {
		return ""
	}
	return fmt.Sprintf("uid %d", cred.Uid)
}
