package server

import (
	"errors"
	"net"
)

// errFewFiles is what the log says while connections wait in the backlog.
var errFewFiles = errors.New("the process may open too few files for more connections (ulimit -n)")

// An acceptor accepts connections, and leaves the last of the process's file
// descriptors to others: to probes, which would else take a crowd for a server
// that hangs and restart it, and to files that are read again.
type acceptor struct {
	net.Listener
	scarce bool // the connection before took one of the last
}

// next waits for a connection. While descriptors are scarce it fails at once.
func (a *acceptor) next() (net.Conn, error) {
	if a.scarce && !filesToSpare() {
		return nil, errFewFiles
	}
	nc, err := a.Accept()
	a.scarce = err == nil && isSpareFile(nc)
	return nc, err
}
