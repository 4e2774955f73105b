// Package tap counts claims where they cannot be made up: on the wire, between
// a client and a server.
//
// A tap would slow a measurement down, so a benchmark runs a few jobs through
// one before it starts its clock.
package tap

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
)

// A Tap relays connections to a server and reads along. Its owner calls Close.
type Tap struct {
	listener net.Listener
	dial     func() (net.Conn, error)
	open     sync.WaitGroup // one for each goroutine

	mu       sync.Mutex // guards what follows; never held across I/O
	conns    map[net.Conn]bool
	closed   bool
	dials    int
	granted  map[string]bool // tokens that the server has given out
	released int             // release requests
}

// New returns a tap in front of the server at addr. With TLS, accept is the
// tap's own side as a server and connect its side as a client.
func New(addr string, accept, connect *tls.Config) (*Tap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &Tap{listener: l, conns: map[net.Conn]bool{}, granted: map[string]bool{}}
	t.dial = func() (net.Conn, error) { return net.Dial("tcp", addr) }
	if accept != nil {
		t.listener = tls.NewListener(l, accept)
		t.dial = func() (net.Conn, error) { return tls.Dial("tcp", addr, connect) }
	}
	t.open.Go(t.accept)
	return t, nil
}

// Addr is where clients connect.
func (t *Tap) Addr() string { return t.listener.Addr().String() }

// Close ends all connections and waits for the tap's goroutines.
func (t *Tap) Close() {
	_ = t.listener.Close()
	t.mu.Lock()
	t.closed = true
	conns := t.conns
	t.conns = nil
	t.mu.Unlock()
	for c := range conns {
		_ = c.Close()
	}
	t.open.Wait()
}

// Counts returns how many connections were made, how many different tokens the
// server has granted, and how many releases were asked for.
func (t *Tap) Counts() (dials, granted, released int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dials, len(t.granted), t.released
}

func (t *Tap) accept() {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return
		}
		server, err := t.dial()
		if err != nil {
			_ = client.Close()
			continue
		}
		if !t.own(client, server) {
			return
		}
		t.open.Go(func() { t.relay(server, client, t.readRequests) })
		t.open.Go(func() { t.relay(client, server, t.readReplies) })
	}
}

// own remembers two connections for Close, or closes them if it came first.
func (t *Tap) own(client, server net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = client.Close()
		_ = server.Close()
		return false
	}
	t.dials++
	t.conns[client], t.conns[server] = true, true
	return true
}

// relay copies one direction while read follows it, and ends both connections
// when this direction ends.
func (t *Tap) relay(to, from net.Conn, read func(*bufio.Scanner)) {
	pr, pw := io.Pipe()
	t.open.Go(func() {
		read(bufio.NewScanner(pr))
		_, _ = io.Copy(io.Discard, pr)
	})
	_, _ = io.Copy(io.MultiWriter(pw, to), from)
	_ = pw.Close()
	_ = to.Close()
	_ = from.Close()
}

func (t *Tap) readRequests(lines *bufio.Scanner) {
	for lines.Scan() {
		verb := lines.Text()
		if strings.HasPrefix(verb, "#") { // a tag
			_, verb, _ = strings.Cut(verb, " ")
		}
		lines.Scan() // key
		lines.Scan() // argument
		if verb == "r" || verb == "sr" {
			t.mu.Lock()
			t.released++
			t.mu.Unlock()
		}
	}
}

func (t *Tap) readReplies(lines *bufio.Scanner) {
	for lines.Scan() {
		for field := range strings.FieldsSeq(lines.Text()) {
			if !isToken(field) {
				continue
			}
			t.mu.Lock()
			t.granted[field] = true
			t.mu.Unlock()
		}
	}
}

func isToken(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}
