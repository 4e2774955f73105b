package faultnet

import (
	"io"
	"net"
	"sync"
	"time"
)

// A link relays bytes between a client and the server. Two goroutines serve
// each direction: one always reads, so that what the network holds does not
// hold the writer; the other delivers when the network allows.
type link struct {
	n              *Net
	machine        string
	client, server net.Conn
	broken         chan struct{} // closed by breaks
	breakOnce      sync.Once
}

// A parcel is what one Read returned.
type parcel struct {
	data []byte
	due  time.Time // not delivered before
	end  bool      // the writer closed
}

// parcels is how many reads the relay takes in while the network holds them.
const parcels = 1024

// run relays until both directions have ended or the link breaks.
func (l *link) run() {
	var directions sync.WaitGroup
	directions.Go(func() { l.relay(l.server, l.client, up) })
	directions.Go(func() { l.relay(l.client, l.server, down) })
	directions.Wait()
	l.breaks(false)
}

// relay carries one direction, to dst from src.
func (l *link) relay(dst, src net.Conn, d direction) {
	line := make(chan parcel, parcels)
	var reader sync.WaitGroup
	reader.Go(func() { l.read(line, src, d) })
	defer reader.Wait()
	for {
		select {
		case p := <-line:
			if !l.n.deliverable(l, d, p.due) || !l.write(dst, p) {
				return
			}
		case <-l.broken:
			return
		}
	}
}

// read takes in what src sends until it ends or the link breaks.
func (l *link) read(line chan<- parcel, src net.Conn, d direction) {
	buf := make([]byte, 32<<10)
	for {
		k, err := src.Read(buf)
		p := parcel{data: append([]byte(nil), buf[:k]...), due: time.Now().Add(l.n.delay(l.machine)), end: err != nil}
		if err != nil && err != io.EOF {
			l.breaks(true)
		}
		select {
		case line <- p:
		case <-l.broken:
			return
		}
		if err != nil {
			return
		}
	}
}

// write delivers a parcel and reports whether the direction goes on.
func (l *link) write(dst net.Conn, p parcel) bool {
	step := len(p.data)
	if l.n.splits(l.machine) {
		step = 1
	}
	for i := 0; i < len(p.data); i += step {
		if _, err := dst.Write(p.data[i:min(i+step, len(p.data))]); err != nil {
			l.breaks(true)
			return false
		}
		if step == 1 {
			time.Sleep(time.Microsecond) // or the far side reads them together
		}
	}
	if p.end {
		closeWrite(dst)
	}
	return !p.end
}

// closeWrite passes on the end of one direction. Where the far side has no
// half-closed state it closes, as a peer that was told so would.
func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.Close()
}

// breaks ends the link: by a reset, or quietly.
func (l *link) breaks(reset bool) {
	l.breakOnce.Do(func() {
		close(l.broken)
		for _, c := range []net.Conn{l.client, l.server} {
			if reset {
				resetConn(c)
			}
			_ = c.Close()
		}
	})
}

func resetConn(c net.Conn) {
	switch c := c.(type) {
	case interface{ Reset() }:
		c.Reset()
	case *net.TCPConn:
		_ = c.SetLinger(0)
	}
}
