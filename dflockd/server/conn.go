package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/berth-go/berth/dflockd/internal/locktable"
	"github.com/berth-go/berth/dflockd/internal/wire"
)

const (
	// flushSize is how many bytes of answers are gathered before a write.
	flushSize = 32 << 10
	// lingerTime is how long a connection that the server ends is still read,
	// so that unread bytes do not reset it before the last answer arrives.
	lingerTime = time.Second
)

// A conn is one connection.
//
// Its reader, a goroutine, reads all the time, also while a request waits, and
// so notices at once when the client goes; or it is parked, and the watcher
// does. Whoever finds requests to work on or answers to write, and nobody at it
// (busy), runs the connection: the reader after it has read, or a goroutine
// that is started for the purpose when another connection's request answers one
// that waits here.
type conn struct {
	srv  *Server
	nc   net.Conn
	raw  net.Conn        // what is below TLS; else nc
	sock *socket         // of nc, where the server has a watcher; else nil
	in   receiver        // the reader's
	ip   string          // for the log; "": in memory
	from string          // what counts as its address; "": in memory
	peer string          // the address of the client's end, if there is a trace; else ""
	lc   locktable.Conn  // guarded by hub.mu
	gone bool            // guarded by hub.mu: the table has forgotten lc
	list wire.ServerList // guarded by hub.mu: what the client's hello said

	mu      sync.Mutex    // guards what follows; never held across I/O
	buf     *buffers      // nil: nothing is in them, and nobody runs c
	blocked bool          // an untagged request waits: nothing more is parsed
	parked  bool          // nobody reads, see park
	busy    bool          // somebody runs c, and owns buf.todo and what is below room
	ended   bool          // nothing more is parsed; hung up once buf.out is written
	hungUp  bool          // or about to be
	waits   int           // tagged requests that wait
	since   time.Duration // when the client's time for its next request began
	room    sync.Cond     // on mu: buf.in has room again, or c is ended or not busy

	fields bool          // the client takes further fields at the end of an answer
	worked time.Duration // when requests were last worked on
	resume bool          // buf.todo may hold a whole request
	authed bool
	admin  bool // it has shown an administrator's secret
}

// serve is the connection's first reader.
func (c *conn) serve() {
	if !c.handshake() {
		c.finish()
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(c.patience()))
	c.read()
}

// handshake does what comes before the first request.
func (c *conn) handshake() bool {
	c.authed = c.srv.secrets.Load() == nil
	c.since = c.srv.hub.now()
	t, ok := c.nc.(*tls.Conn)
	if !ok {
		return true
	}
	ctx, cancel := context.WithTimeoutCause(c.srv.ctx, c.srv.cfg.preAuthTimeout, errors.New("server: TLS handshake took too long"))
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		c.srv.log.warn("TLS handshake failed", "peer", c.ip, "error", err)
		tellPlaintext(err)
		return false
	}
	return true
}

// tellPlaintext answers a client that does not speak TLS with an alert, as most
// TLS servers do and package tls does not: else it would see the connection close
// and not know why.
func tellPlaintext(err error) {
	var record tls.RecordHeaderError
	if errors.As(err, &record) && record.Conn != nil {
		const handshakeFailure = "\x15\x03\x01\x00\x02\x02\x28"
		_ = record.Conn.SetWriteDeadline(time.Now().Add(lingerTime))
		_, _ = record.Conn.Write([]byte(handshakeFailure))
	}
}

// read is the reader's: it reads until the connection is parked or ends.
func (c *conn) read() {
	for {
		b, err := c.in.receive()
		mine := len(b) > 0 && c.push(b)
		c.in.done()
		if mine {
			c.run()
		}
		if err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && c.overdue()) {
			c.finish()
			return
		}
		if c.park() {
			return
		}
	}
}

// proceed runs c when a request that waited is answered, and goes on as its
// reader if it was parked.
func (c *conn) proceed() {
	c.run()
	if c.unparkAnswered() {
		c.read()
	} else if c.couldPark() {
		c.kick() // its reader came while c was busy, and did not park it
	}
}

// finish ends c when it is read no more. What it owned is free when finish
// returns, unless it was a lot; its socket is closed later.
func (c *conn) finish() {
	c.end()
	c.srv.hub.closeConn(c)
	c.srv.closeLater(c)
}

// push adds what was read and reports whether the caller must run c. It
// blocks while too much is waiting to be done.
func (c *conn) push(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.buf != nil && len(c.buf.in) >= c.srv.cfg.maxAhead && !c.ended {
		c.room.Wait()
	}
	if c.ended {
		return false
	}
	buf := c.borrowLocked()
	buf.in = append(buf.in, b...)
	if c.busy || c.blocked {
		return false
	}
	c.busy = true
	return true
}

// borrowLocked returns c's buffers; it has some from now on until idleLocked.
func (c *conn) borrowLocked() *buffers {
	if c.buf == nil {
		c.buf = lent.Get().(*buffers)
	}
	return c.buf
}

// patience is how long the client may take for its next request. Only whoever
// runs c, or the reader before the first request, may ask.
func (c *conn) patience() time.Duration {
	if c.authed {
		return c.srv.cfg.readTimeout
	}
	return c.srv.cfg.preAuthTimeout
}

// overdue is called when the read deadline has passed. Either that was
// foreseen, as the deadline is moved lazily, and it sets the next one; or the
// client has been silent, or slow, for too long, and is told so if it has shown
// a secret. It returns false if the connection is over.
func (c *conn) overdue() bool {
	now := c.srv.hub.now()
	useless := c.srv.draining.Load() && c.srv.hub.owns(c) == 0
	c.mu.Lock()
	left := c.srv.cfg.readTimeout
	run := false
	switch {
	case c.busy || c.blocked || c.waits > 0:
		useless = false
	case c.ended: // it lingered, and is done
		useless = true
	default:
		left = c.since + c.patience() - now
	}
	if left <= 0 && !useless {
		buf := c.borrowLocked()
		if c.authed { // a secret that comes slowly may be right: no answer refuses it
			buf.out = wire.AppendReply(buf.out, wire.Ping, wire.Reply{Status: wire.Error})
		}
		c.endLocked()
		c.busy, run = true, true
	}
	c.mu.Unlock()
	switch {
	case useless:
		return false
	case run:
		c.run()
	default:
		_ = c.nc.SetReadDeadline(time.Now().Add(left))
	}
	return true
}

// kick makes the reader call overdue.
func (c *conn) kick() { _ = c.nc.SetReadDeadline(time.Now()) }

// beginWait notes that a request waits for an event. Called under hub.mu, so
// that the event cannot come before it.
func (c *conn) beginWait(tag uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if tag == 0 {
		c.blocked = true
	} else {
		c.waits++
	}
}

// answer adds the answer to a request that waited, and reports whether the
// caller must run c. Called under hub.mu.
func (c *conn) answer(now time.Duration, ev locktable.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	buf := c.borrowLocked()
	buf.out = appendResult(buf.out, wire.Wait, ev.Tag, ev.Result)
	if ev.Tag == 0 {
		c.blocked = false
	} else {
		c.waits--
	}
	c.since = now
	if ev.Status == wire.ErrorDraining {
		c.endLocked()
	}
	if c.busy {
		return false
	}
	c.busy = true
	return true
}

// end makes c one that parses nothing more.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked()
}

func (c *conn) endLocked() {
	c.ended = true
	if c.buf != nil {
		c.buf.in = c.buf.in[:0]
	}
	c.room.Broadcast()
}

// cut ends c at once, whatever is left to read or write. It closes what is
// below TLS, as the farewell of TLS could block.
func (c *conn) cut() {
	c.mu.Lock()
	c.endLocked() // together with the next line: it must not be parked between
	parked := c.unparkLocked()
	c.mu.Unlock()
	_ = c.raw.Close()
	if parked {
		c.srv.tasks.Go(c.read) // which finishes c
	}
}

// waitIdle waits until nobody runs c. It is closed by then, so that no write
// takes long.
func (c *conn) waitIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.busy {
		c.room.Wait()
	}
}
