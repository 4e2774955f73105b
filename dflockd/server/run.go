package server

import (
	"time"

	"github.com/berth-go/berth/dflockd/internal/locktable"
	"github.com/berth-go/berth/dflockd/internal/wire"
)

// step is what run does next.
type step struct {
	out    []byte // write this, after the answers to
	parse  bool   // the requests in todo
	hangUp bool   // the last answer is written
}

// run works on the requests that were read and writes the answers, in as few
// writes as possible, until there is nothing left to do. Its caller has set
// c.busy.
func (c *conn) run() {
	for {
		next, ok := c.next()
		if !ok {
			break
		}
		if next.parse {
			next.out = c.work(next.out)
		}
		c.write(next.out)
		if next.hangUp {
			c.srv.hub.closeConn(c)
			c.hangUp()
		}
	}
	if c.srv.draining.Load() {
		c.kick()
	}
}

// next returns what to do, or false if nothing: then c is idle.
func (c *conn) next() (s step, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.buf
	if !c.blocked && !c.ended && (c.resume || len(b.in) > 0) {
		s.parse, c.resume = true, false
		b.take()
		c.room.Broadcast()
	}
	if c.ended && !c.hungUp && len(b.out) == 0 {
		s.hangUp, c.hungUp = true, true
	}
	if len(b.out) == 0 && !s.parse && !s.hangUp {
		c.idleLocked()
		return step{}, false
	}
	s.out, b.out = b.out, b.spare[:0]
	return s, true
}

// idleLocked ends a run.
func (c *conn) idleLocked() {
	if c.buf.empty() {
		c.buf.giveBack()
		c.buf = nil
	}
	c.since = max(c.since, c.worked)
	c.busy = false
	c.room.Broadcast()
}

// hangUp closes the direction that c writes and lets the reader linger. What
// c owned is free by then.
func (c *conn) hangUp() {
	if h, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
		_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
		return
	}
	c.cut()
}

// write writes out, or cuts off a client that does not read.
func (c *conn) write(out []byte) {
	rest := out
	if c.sock != nil && len(out) > 0 {
		rest = out[c.sock.send(out):]
	}
	if len(rest) > 0 && c.writeAll(rest) != nil {
		c.cut()
	}
	c.buf.spare = out[:0]
}

// writeAll writes what may take a while.
func (c *conn) writeAll(b []byte) error {
	if t := c.srv.cfg.writeTimeout; t > 0 {
		_ = c.nc.SetWriteDeadline(time.Now().Add(t))
	}
	_, err := c.nc.Write(b)
	return err
}

// work does the requests in todo, one after the other, and appends their
// answers to out. It stops at one that waits, and when out is worth writing;
// resume then says that there may be more to do.
func (c *conn) work(out []byte) []byte {
	now := c.srv.hub.now()
	rest := c.buf.todo
	for {
		var lines [3][]byte
		n, state := cutRequest(rest, &lines)
		if state == tooLong {
			c.srv.malformed.Add(1)
			out = c.refuseLine(out)
		}
		if state != complete {
			break
		}
		rest = rest[n:]
		var goOn bool
		out, goOn = c.request(now, out, lines)
		if !goOn || len(out) >= flushSize {
			c.resume = len(rest) > 0
			break
		}
	}
	if len(rest) < len(c.buf.todo) {
		c.worked = now
	}
	c.buf.todo = append(c.buf.todo[:0], rest...)
	return out
}

// refuseLine ends a connection that sends what is no request at all.
func (c *conn) refuseLine(out []byte) []byte {
	if !c.authed {
		return c.turnAway(out, 0)
	}
	c.end()
	return wire.AppendReply(out, wire.Ping, wire.Reply{Status: wire.Error})
}

// request does one request. It returns false if no more may be done now:
// because this one waits, or because the connection is over.
func (c *conn) request(now time.Duration, out []byte, lines [3][]byte) (_ []byte, goOn bool) {
	r, err := wire.Parse(lines[0], lines[1], lines[2])
	if !c.authed {
		return c.authenticate(out, &r, err)
	}
	if err != nil {
		c.srv.malformed.Add(1)
		c.srv.log.debug("malformed request", "conn", c.lc.ID, "error", err)
		return wire.AppendReply(out, wire.Ping, wire.Reply{Status: wire.Error, Tag: r.Tag}), true
	}
	switch r.Command {
	case wire.Ping:
		return wire.AppendReply(out, r.Command, wire.Reply{Status: wire.OK, Tag: r.Tag}), true
	case wire.Hello:
		c.srv.hub.say(c, &r)
		c.fields = c.fields || r.Fields
		return wire.AppendReply(out, r.Command, wire.Reply{Status: wire.OK, Tag: r.Tag, Text: c.srv.features.String()}), true
	case wire.Inspect:
		return wire.AppendReply(out, r.Command, wire.Reply{Status: wire.OK, Tag: r.Tag, Text: c.srv.hub.inspect(lines[1])}), true
	case wire.Stats:
		return wire.AppendReply(out, r.Command, wire.Reply{Status: wire.OK, Tag: r.Tag, Text: c.srv.statsJSON()}), true
	case wire.Auth:
		return c.promote(out, &r)
	case wire.Pause, wire.Revoke:
		return wire.AppendReply(out, r.Command, wire.Reply{Status: c.control(now, &r, lines[1]), Tag: r.Tag}), true
	case wire.StableRef, wire.Barrier: // there is no cluster
		return wire.AppendReply(out, r.Command, wire.Reply{Status: wire.Error, Tag: r.Tag}), true
	}
	res := c.srv.hub.call(now, c, &r, lines[1])
	if res.Status == 0 {
		return out, r.Tag != 0
	}
	if res.Status == wire.ErrorServerList {
		return wire.AppendReply(out, r.Command, wire.Reply{Status: res.Status, Tag: r.Tag, Text: c.srv.hub.otherList(c)}), true
	}
	if r.Command == wire.Leave {
		out = c.moveAnswers(out) // the wait's timeout comes before the ok that frees its tag
	}
	if !c.fields {
		res = plain(res)
	}
	return appendResult(out, r.Command, r.Tag, res), true
}

// moveAnswers appends to out what others have answered c so far.
func (c *conn) moveAnswers(out []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	out = append(out, c.buf.out...)
	c.buf.out = c.buf.out[:0]
	return out
}

// plain returns a result as clients know it that say nothing of further fields.
func plain(r locktable.Result) locktable.Result {
	r.Place, r.Paused = 0, 0
	if r.Status == wire.ErrorRevoked {
		r.Status = wire.Error
	}
	return r
}

func appendResult(dst []byte, cmd wire.Command, tag uint64, r locktable.Result) []byte {
	return wire.AppendReply(dst, cmd, wire.Reply{
		Status: r.Status, Tag: tag, Token: r.Token, Seconds: int64(r.Lease / time.Second), Place: int64(r.Place), Paused: ms(r.Paused),
	})
}
