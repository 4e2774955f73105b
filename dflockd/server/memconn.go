package server

import (
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// memBuffer is how much one direction of an in-memory connection holds before
// a write blocks, as a socket's buffer would.
const memBuffer = 256 << 10

// memAddr is the address of both ends of an in-memory connection: its number.
type memAddr uint64

func (memAddr) Network() string  { return "memory" }
func (a memAddr) String() string { return "memory:" + strconv.FormatUint(uint64(a), 10) }

// lastMem is the number of the last one made.
var lastMem atomic.Uint64

// memPipe returns the two ends of a connection in memory. Unlike net.Pipe it
// buffers, so that a write returns before it is read, as on a socket; and all
// that blocks in it waits on a sync.Cond, so that testing/synctest sees it.
func memPipe() (a, b net.Conn) {
	ab, ba := newHalf(), newHalf()
	at := memAddr(lastMem.Add(1))
	return &memConn{r: ba, w: ab, at: at}, &memConn{r: ab, w: ba, at: at}
}

type memConn struct {
	r, w *half
	at   memAddr
}

func (c *memConn) Read(p []byte) (int, error)  { return c.r.read(p) }
func (c *memConn) Write(p []byte) (int, error) { return c.w.write(p) }
func (c *memConn) LocalAddr() net.Addr         { return c.at }
func (c *memConn) RemoteAddr() net.Addr        { return c.at }

// CloseWrite ends the direction that c writes: the peer reads what is
// buffered, then io.EOF.
func (c *memConn) CloseWrite() error {
	c.w.closeWriter()
	return nil
}

func (c *memConn) Close() error {
	c.w.closeWriter()
	c.r.closeReader()
	return nil
}

func (c *memConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *memConn) SetReadDeadline(t time.Time) error {
	c.r.setDeadline(&c.r.readEnd, t)
	return nil
}

func (c *memConn) SetWriteDeadline(t time.Time) error {
	c.w.setDeadline(&c.w.writeEnd, t)
	return nil
}

// half is one direction of a memConn.
type half struct {
	mu           sync.Mutex // guards what follows; nothing blocks under it but changed.Wait
	changed      sync.Cond
	buf          []byte
	writerClosed bool // no more is written: read what is left, then EOF
	readerClosed bool // nobody reads: writing is an error
	readEnd      deadline
	writeEnd     deadline
}

type deadline struct {
	at    time.Time // zero: none
	timer *time.Timer
}

func newHalf() *half {
	h := &half{}
	h.changed.L = &h.mu
	return h
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.readerClosed:
			return 0, net.ErrClosed
		case h.readEnd.passed():
			return 0, os.ErrDeadlineExceeded
		case len(h.buf) > 0:
			n := copy(p, h.buf)
			if h.buf = h.buf[n:]; len(h.buf) == 0 {
				h.buf = nil
			}
			h.changed.Broadcast()
			return n, nil
		case h.writerClosed:
			return 0, io.EOF
		}
		h.changed.Wait()
	}
}

func (h *half) write(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.writerClosed:
			return n, net.ErrClosed
		case h.readerClosed:
			return n, io.ErrClosedPipe
		case h.writeEnd.passed():
			return n, os.ErrDeadlineExceeded
		}
		if room := memBuffer - len(h.buf); room > 0 {
			k := min(room, len(p)-n)
			h.buf = append(h.buf, p[n:n+k]...)
			n += k
			h.changed.Broadcast()
		}
		if n == len(p) {
			return n, nil
		}
		h.changed.Wait()
	}
}

func (h *half) closeWriter() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writerClosed = true
	h.writeEnd.stop()
	h.changed.Broadcast()
}

func (h *half) closeReader() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readerClosed = true
	h.buf = nil
	h.readEnd.stop()
	h.changed.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (h *half) setDeadline(d *deadline, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.stop()
	d.at = t
	h.changed.Broadcast()
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changed.Broadcast()
		})
	}
}
