//go:build unix

package dflockd

import (
	"net"
	"syscall"
)

// A direct writes to a socket without ever waiting for it.
type direct struct {
	raw     syscall.RawConn
	control func(fd uintptr) // attempt, bound once
	out     []byte
	n       int
}

// newDirect returns a direct for a plain TCP connection, or nil: what wraps one
// may want to see what is written.
func newDirect(c net.Conn) *direct {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	d := &direct{raw: raw}
	d.control = d.attempt
	return d
}

// write returns how much of out was written.
func (d *direct) write(out []byte) int {
	d.out, d.n = out, 0
	_ = d.raw.Control(d.control) // fails if it is closed: then nothing is written
	d.out = nil
	return d.n
}

func (d *direct) attempt(fd uintptr) {
	if n, err := syscall.Write(int(fd), d.out); err == nil {
		d.n = n
	}
}
