package server

import (
	"net"
	"time"

	"github.com/berth-go/berth/dflockd/internal/locktable"
	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/trace"
)

// This file has what a server notes for tests, see package trace.

func init() {
	trace.ServerOption = func(l *trace.Log) any { return Option(func(c *config) { c.trace = l }) }
}

// noter returns what the table notes with, or nil. It notes that the server starts.
func (h *hub) noter(cfg config) func(time.Duration, *locktable.Conn, trace.Event) {
	if cfg.trace == nil {
		return nil
	}
	cfg.trace.Note(trace.Event{At: h.start, Kind: trace.Restart, Length: cfg.startupGrace})
	return func(now time.Duration, c *locktable.Conn, e trace.Event) {
		e.At = h.start.Add(now)
		if c != nil {
			e.Conn = c.Owner.(*conn).peer
		}
		cfg.trace.Note(e)
	}
}

// noteAs gives a connection the name that it has in a trace.
func (c *conn) noteAs(nc net.Conn) {
	if c.srv.cfg.trace != nil {
		c.peer = nc.RemoteAddr().String()
	}
}

// noteAnswer notes a request and what the table has answered. Called under hub.mu.
func (c *conn) noteAnswer(r *wire.Request, key []byte, res locktable.Result) {
	e := trace.Event{
		At: c.srv.hub.start.Add(c.srv.hub.table.Now()), Conn: c.peer, Key: string(key), Tag: r.Tag,
		Limit: r.Limit, Length: res.Lease, Fence: res.Token.Fence(),
	}
	refused := func(status wire.Status, granted trace.Message) trace.Message {
		if res.Status == status {
			return granted
		}
		return trace.Refused
	}
	switch r.Command {
	case wire.Lock, wire.SemLock, wire.PacedLock:
		e.Kind, e.What = trace.Enqueue, refused(wire.OK, trace.Acquired)
	case wire.Enqueue, wire.SemEnqueue, wire.PacedEnqueue:
		e.Kind, e.What = trace.Enqueue, refused(wire.Acquired, trace.Acquired)
	case wire.Wait, wire.SemWait:
		e.Kind, e.What = trace.Wait, refused(wire.OK, trace.Granted)
	case wire.Renew, wire.SemRenew:
		e.Kind, e.What, e.Fence = trace.Renew, refused(wire.OK, trace.Renewed), r.Token.Fence()
	case wire.Release, wire.SemRelease:
		if res.Status == wire.OK {
			return // the table has noted it
		}
		e.Kind, e.What, e.Fence = trace.Release, trace.Denied, r.Token.Fence()
	default:
		return
	}
	switch {
	case res.Status == 0 || res.Status == wire.Queued:
		e.What = trace.Queued
	case e.Kind == trace.Renew && e.What == trace.Refused:
		e.What = trace.Denied
	}
	c.srv.cfg.trace.Note(e)
}
