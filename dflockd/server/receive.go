package server

import "net"

// A receiver reads what comes in on a connection.
type receiver interface {
	// receive waits for bytes, and returns some. They are the caller's until
	// it calls done.
	receive() ([]byte, error)
	done()
}

const (
	// readSize is what an ownBuffer reads at once at first. It is small, as
	// most connections wait most of the time; one that fills it gets a larger
	// one, up to maxReadSize.
	readSize    = 256
	maxReadSize = 8 << 10
)

// An ownBuffer is the receiver of any connection: it waits in Read, which
// wants the buffer beforehand.
type ownBuffer struct {
	nc  net.Conn
	buf []byte
}

func (r *ownBuffer) receive() ([]byte, error) {
	if r.buf == nil {
		r.buf = make([]byte, readSize)
	}
	n, err := r.nc.Read(r.buf)
	b := r.buf[:n]
	if n == len(r.buf) && n < maxReadSize {
		r.buf = make([]byte, 2*n)
	}
	return b, err
}

func (r *ownBuffer) done() {}
