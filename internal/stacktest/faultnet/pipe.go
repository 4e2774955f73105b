package faultnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many bytes one direction of a connection buffers, as a
// kernel's socket buffers do.
const window = 64 << 10

// Pipe returns the two ends of a connection in memory. Unlike net.Pipe it
// buffers, can be half closed and can be reset.
func Pipe() (*Conn, *Conn) {
	ab, ba := newStream(), newStream()
	return newConn(ba, ab), newConn(ab, ba)
}

// A stream is one direction of a connection.
type stream struct {
	mu      sync.Mutex    // guards what follows; not held while anything waits
	buf     []byte        // written, not yet read
	eof     bool          // nothing more will be written
	deaf    bool          // nothing more will be read
	reset   bool          // the connection was reset
	changed chan struct{} // closed and replaced when any of these changes
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

// update changes the stream and wakes whoever waits for a change.
func (s *stream) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.wakeLocked()
}

func (s *stream) wakeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// take reads what is there. It returns a channel to wait on if nothing is.
func (s *stream) take(p []byte) (n int, wait <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.deaf:
		return 0, nil, net.ErrClosed
	case s.reset:
		return 0, nil, syscall.ECONNRESET
	case len(s.buf) == 0 && s.eof:
		return 0, nil, io.EOF
	case len(s.buf) == 0:
		return 0, s.changed, nil
	}
	n = copy(p, s.buf)
	s.buf = s.buf[n:]
	s.wakeLocked()
	return n, nil, nil
}

// put writes what fits. It returns a channel to wait on if nothing does.
func (s *stream) put(p []byte) (n int, wait <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.eof:
		return 0, nil, net.ErrClosed
	case s.reset || s.deaf:
		return 0, nil, syscall.EPIPE
	case len(s.buf) >= window:
		return 0, s.changed, nil
	}
	n = min(window-len(s.buf), len(p))
	s.buf = append(s.buf, p[:n]...)
	s.wakeLocked()
	return n, nil, nil
}

// A Conn is one end of a connection in memory. One goroutine may read while
// another writes.
type Conn struct {
	in, out                     *stream
	readDeadline, writeDeadline *deadline
	local                       net.Addr // nil: a placeholder
}

var _ net.Conn = (*Conn)(nil)

func newConn(in, out *stream) *Conn {
	return &Conn{in: in, out: out, readDeadline: newDeadline(), writeDeadline: newDeadline()}
}

// Read reads what has arrived, and waits for something if nothing has.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		if c.readDeadline.passed() {
			return 0, os.ErrDeadlineExceeded
		}
		n, changed, err := c.in.take(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		select {
		case <-changed:
		case <-c.readDeadline.wait():
		}
	}
}

// Write writes all of p, and waits for room where there is none.
func (c *Conn) Write(p []byte) (written int, err error) {
	for written < len(p) {
		if c.writeDeadline.passed() {
			return written, os.ErrDeadlineExceeded
		}
		n, changed, err := c.out.put(p[written:])
		written += n
		if err != nil {
			return written, err
		}
		if n == 0 {
			select {
			case <-changed:
			case <-c.writeDeadline.wait():
			}
		}
	}
	return written, nil
}

// Close closes both directions. The other end reads what was written before,
// then io.EOF.
func (c *Conn) Close() error {
	c.out.update(func() { c.out.eof = true })
	c.in.update(func() { c.in.deaf = true })
	return c.SetDeadline(time.Time{}) // stops the timers
}

// CloseWrite closes one direction: the other end reads io.EOF, and can still
// write.
func (c *Conn) CloseWrite() error {
	c.out.update(func() { c.out.eof = true })
	return nil
}

// Reset breaks the connection: what was under way is lost.
func (c *Conn) Reset() {
	for _, s := range []*stream{c.in, c.out} {
		s.update(func() { s.reset, s.buf = true, nil })
	}
}

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

// LocalAddr returns how the server knows this end, where [Net.Dial] has connected it,
// or else a placeholder.
func (c *Conn) LocalAddr() net.Addr {
	if c.local != nil {
		return c.local
	}
	return addr{}
}

// RemoteAddr returns a placeholder.
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	c.readDeadline.set(t)
	c.writeDeadline.set(t)
	return nil
}

// SetReadDeadline bounds the Read that waits and those to come.
func (c *Conn) SetReadDeadline(t time.Time) error { c.readDeadline.set(t); return nil }

// SetWriteDeadline bounds the Write that waits and those to come.
func (c *Conn) SetWriteDeadline(t time.Time) error { c.writeDeadline.set(t); return nil }

// A deadline wakes whoever waits when it passes or is changed.
type deadline struct {
	mu    sync.Mutex // guards what follows
	at    time.Time
	timer *time.Timer
	wake  chan struct{}
}

func newDeadline() *deadline { return &deadline{wake: make(chan struct{})} }

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	d.wakeLocked()
	if left := time.Until(t); !t.IsZero() && left > 0 {
		d.timer = time.AfterFunc(left, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.wakeLocked()
		})
	}
}

func (d *deadline) wakeLocked() {
	close(d.wake)
	d.wake = make(chan struct{})
}

func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero() && !time.Now().Before(d.at)
}

// wait returns a channel that is closed at the next change, or at once if the
// deadline has passed.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && !time.Now().Before(d.at) {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	return d.wake
}
