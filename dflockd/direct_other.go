//go:build !unix

package dflockd

import "net"

// A direct would write to a socket without waiting for it.
type direct struct{}

func newDirect(net.Conn) *direct { return nil }

func (*direct) write([]byte) int { return 0 }
