package dflockd

import (
	"errors"
	"os"
	"runtime"
	"time"
)

// This file has the two ways in which requests are written. Most are written by
// a goroutine of the connection, so that one write takes all that was sent
// meanwhile: the requests of several claims, or a release and the next claim.
// A claim whose claimant is told and that has its connection to itself has
// nothing to gather: whoever sends writes, as far as the socket takes it at
// once, which saves waking a goroutine.

// post has what was gathered for cl written. Caller holds endpoint.mu.
func (c *conn) post(cl *claim) {
	switch {
	case c.writing, c.posted:
		// Whoever writes looks for more.
	case cl.to != nil && c.direct != nil && c.load <= 1:
		c.posted = true
		c.nextPosted, c.e.posted = c.e.posted, c
	default:
		c.callWriter()
	}
}

// popPosted returns a connection that post has listed, or nil. Caller holds mu.
func (e *endpoint) popPosted() *conn {
	c := e.posted
	if c != nil {
		e.posted, c.nextPosted, c.posted = c.nextPosted, nil, false
	}
	return c
}

// callWriter wakes the goroutine that writes. Caller holds endpoint.mu.
func (c *conn) callWriter() {
	select {
	case c.wake <- struct{}{}:
	default: // it has not yet seen the last one
	}
}

// writeLoop writes what send gathers. It ends when the connection breaks.
func (c *conn) writeLoop() {
	defer c.e.tasks.Done()
	for {
		select {
		case <-c.dead:
			return
		case <-c.wake:
		}
		// Whoever was answered by the same read as the sender is about to send
		// its next request: let it, so that one write takes both.
		runtime.Gosched()
		if err := c.flush(); err != nil {
			c.e.lock()
			c.fail(broken(err), time.Now())
			c.e.unlock()
			return
		}
	}
}

// flush writes everything that was gathered, in one write.
func (c *conn) flush() error {
	out := c.takeOut()
	if len(out) == 0 {
		return nil
	}
	deadline := time.Now().Add(c.e.cfg.socketTimeout)
	if err := c.rw.SetWriteDeadline(deadline); err != nil {
		return err
	}
	n, err := c.rw.Write(out)
	if errors.Is(err, os.ErrDeadlineExceeded) && time.Since(deadline) >= judgeDelay && c.rw == c.raw {
		err = nil // this process stood still, not the socket: the rest is written again
	}
	c.wrote(out, n)
	return err
}

// flushNow writes what the socket takes without waiting, and leaves the rest,
// and any error, to the goroutine that writes.
func (c *conn) flushNow() {
	if out := c.takeOut(); len(out) > 0 {
		c.wrote(out, c.direct.write(out))
	}
}

// takeOut returns what is to be written, for wrote to be called with. It returns
// nothing while somebody else writes: that one has what comes written as well.
func (c *conn) takeOut() []byte {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.writing || len(c.out) == 0 || c.broken != nil {
		return nil
	}
	out := c.out
	c.out, c.spare = c.spare[:0], nil
	c.writing = true
	c.writes++
	return out
}

// wrote takes note that n bytes of out were written.
func (c *conn) wrote(out []byte, n int) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	c.writing = false
	if n < len(out) {
		c.out = append(out[n:], c.out...)
	} else {
		c.spare = out[:0]
	}
	if len(c.out) > 0 {
		c.callWriter()
	}
}
