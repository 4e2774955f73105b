package dflockd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// network is a network in memory with faults. Its connections buffer without
// bound, so that a write never waits for a reader.
type network struct {
	serve func(net.Conn) // called on a goroutine for each connection

	mu     sync.Mutex
	links  []*link
	dials  int
	writes int           // of the dialling side
	down   error         // what a dial returns
	hang   bool          // dials hang until their context ends
	silent bool          // bytes vanish
	frozen bool          // bytes wait for heal
	delay  time.Duration // until bytes arrive
	split  bool          // a read returns a byte
}

// link is one connection: what the client writes, and what the server does.
type link struct{ client, server *end }

var errReset = errors.New("connection reset by peer")

func newNetwork(serve func(net.Conn)) *network { return &network{serve: serve} }

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	down, hang := n.down, n.hang
	n.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if down != nil {
		return nil, down
	}
	up, back := newStream(n), newStream(n)
	l := &link{&end{in: back, out: up, client: true}, &end{in: up, out: back}}
	n.mu.Lock()
	n.links = append(n.links, l)
	n.mu.Unlock()
	go n.serve(l.server)
	return l.client, nil
}

// set changes the faults.
func (n *network) set(f func()) {
	n.mu.Lock()
	f()
	n.mu.Unlock()
}

// heal ends all faults; what was frozen arrives.
func (n *network) heal() {
	n.mu.Lock()
	n.down, n.hang, n.silent, n.frozen, n.delay = nil, false, false, false, 0
	links := n.links
	n.mu.Unlock()
	for _, l := range links {
		l.client.in.thaw()
		l.client.out.thaw()
	}
}

// reset breaks every connection, for both sides.
func (n *network) reset() { n.end(errReset) }

// halfClose ends what the servers send; what they receive goes on.
func (n *network) halfClose() {
	n.mu.Lock()
	links := n.links
	n.mu.Unlock()
	for _, l := range links {
		l.client.in.close(io.EOF)
	}
}

func (n *network) end(err error) {
	n.mu.Lock()
	links := n.links
	n.links = nil
	n.mu.Unlock()
	for _, l := range links {
		l.client.in.close(err)
		l.client.out.close(err)
	}
}

func (n *network) counts() (dials, writes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials, n.writes
}

// stream is one direction of a connection.
type stream struct {
	n *network

	mu      sync.Mutex
	buf     []byte
	waiting []byte   // frozen
	ended   bool     // frozen: the writer closed, after what is waiting
	late    [][]byte // delayed, in order
	err     error    // what a read returns once buf is empty
	changed chan struct{}
}

func newStream(n *network) *stream { return &stream{n: n, changed: make(chan struct{})} }

// notify wakes the reader. Caller holds mu.
func (s *stream) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) write(b []byte) (int, error) {
	s.n.mu.Lock()
	silent, frozen, delay := s.n.silent, s.n.frozen, s.n.delay
	s.n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return 0, s.err
	case silent:
	case frozen:
		s.waiting = append(s.waiting, b...)
	case delay > 0:
		s.late = append(s.late, bytes.Clone(b))
		time.AfterFunc(delay, s.arriveLate)
	default:
		s.buf = append(s.buf, b...)
		s.notify()
	}
	return len(b), nil
}

// arriveLate delivers the oldest of what is delayed.
func (s *stream) arriveLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf, s.late = append(s.buf, s.late[0]...), s.late[1:]
	s.notify()
}

func (s *stream) thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf, s.waiting = append(s.buf, s.waiting...), nil
	if s.ended && s.err == nil {
		s.err = io.EOF
	}
	s.notify()
}

func (s *stream) endAfterThaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

func (s *stream) close(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		s.notify()
	}
}

// read reads what there is, or returns the channel to wait for.
func (s *stream) read(b []byte) (int, chan struct{}, error) {
	s.n.mu.Lock()
	split := s.n.split
	s.n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.buf) > 0 {
		if split {
			b = b[:1]
		}
		k := copy(b, s.buf)
		s.buf = s.buf[k:]
		return k, nil, nil
	}
	return 0, s.changed, s.err
}

// end is one end of a connection.
type end struct {
	in, out *stream
	client  bool

	mu           sync.Mutex
	readDeadline time.Time
	moved        chan struct{} // closed when readDeadline changes
}

func (e *end) Read(b []byte) (int, error) {
	for {
		k, changed, err := e.in.read(b)
		if k > 0 || err != nil {
			return k, err
		}
		e.mu.Lock()
		if e.moved == nil {
			e.moved = make(chan struct{})
		}
		deadline, moved := e.readDeadline, e.moved
		e.mu.Unlock()
		var timeout <-chan time.Time
		if !deadline.IsZero() {
			left := time.Until(deadline)
			if left <= 0 {
				return 0, os.ErrDeadlineExceeded
			}
			timeout = time.After(left)
		}
		select {
		case <-changed:
		case <-moved:
		case <-timeout:
		}
	}
}

func (e *end) Write(b []byte) (int, error) {
	if e.client {
		e.out.n.mu.Lock()
		e.out.n.writes++
		e.out.n.mu.Unlock()
	}
	return e.out.write(b)
}

func (e *end) Close() error {
	e.in.close(net.ErrClosed)
	e.out.n.mu.Lock()
	silent, frozen := e.out.n.silent, e.out.n.frozen
	e.out.n.mu.Unlock()
	switch {
	case silent: // the other side is not told
	case frozen:
		e.out.endAfterThaw()
	default:
		e.out.close(io.EOF)
	}
	return nil
}

func (e *end) SetDeadline(t time.Time) error { return e.SetReadDeadline(t) }

func (e *end) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.readDeadline = t
	if e.moved != nil {
		close(e.moved)
		e.moved = nil
	}
	return nil
}

func (e *end) SetWriteDeadline(time.Time) error { return nil }
func (e *end) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (e *end) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6388} }
