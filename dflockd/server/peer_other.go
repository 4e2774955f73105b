//go:build !linux

package server

import "net"

// unixPeer returns "": each system has another way to tell who that is.
func unixPeer(*net.UnixConn) string { return "" }
