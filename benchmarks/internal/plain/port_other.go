//go:build !linux

package plain

import "syscall"

// portAtConnect does nothing: only Linux is told so.
func portAtConnect(string, string, syscall.RawConn) error { return nil }
