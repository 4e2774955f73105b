package dflockd

import (
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/trace"
)

// This file has what a client notes for tests, see package trace.

func init() {
	trace.ClientOption = func(l *trace.Log) any {
		return Option(func(c *config) error { c.trace = l; return nil })
	}
}

// noteSent notes that a request is about to be written. One that claims begins
// another attempt. Caller holds endpoint.mu.
func (cl *claim) noteSent(c *conn, x exchange, r *wire.Request) {
	e := trace.Event{At: x.sent, Kind: trace.Sent, What: requested(cl, x), Conn: c.raw.LocalAddr().String(), Key: r.Key, Tag: x.tag}
	switch e.What {
	case 0:
		return
	case trace.AskSlot, trace.AskPlace, trace.AskBoth:
		cl.noted = cl.e.cfg.trace.NextClaim()
		e.Limit, e.Length = r.Limit, time.Duration(r.Lease)*time.Second
	case trace.AskLease, trace.AskFree:
		e.Fence = cl.token.Fence()
	}
	e.Claim = cl.noted
	cl.e.cfg.trace.Note(e)
}

// requested says what the request of an exchange asks for.
func requested(cl *claim, x exchange) trace.Message {
	switch x.role {
	case roleTry:
		return trace.AskSlot
	case roleEnqueue:
		return trace.AskPlace
	case roleWait:
		if x.command == cl.verbs.try {
			return trace.AskBoth
		}
		return trace.AskWait
	case roleConfirm, roleRenew:
		return trace.AskLease
	case roleRelease:
		return trace.AskFree
	case roleLeave:
		return trace.AskLeave
	}
	return 0
}

// noteReceived notes an answer. Caller holds endpoint.mu.
func (cl *claim) noteReceived(x exchange, r wire.Reply, now time.Time) {
	e := trace.Event{At: now, Kind: trace.Received, Key: cl.name, Claim: cl.noted, Fence: r.Token.Fence(), What: trace.Refused}
	switch x.role {
	case roleTry, roleEnqueue:
		switch r.Status {
		case wire.OK, wire.Acquired:
			e.What = trace.Acquired
		case wire.Queued:
			e.What = trace.Queued
		}
	case roleWait:
		if r.Status == wire.OK {
			e.What = trace.Granted
		}
	case roleConfirm, roleRenew:
		e.What = trace.Denied
		if r.Status == wire.OK {
			e.What = trace.Renewed
		}
	default:
		return
	}
	cl.e.cfg.trace.Note(e)
}

// noteBegin notes that the claimant has the slot. Caller holds endpoint.mu.
func (cl *claim) noteBegin() {
	if cl.e.cfg.trace != nil {
		cl.e.cfg.trace.Note(trace.Event{At: time.Now(), Kind: trace.Begin, Key: cl.name, Claim: cl.noted, Fence: cl.token.Fence()})
	}
}

// noteEnd notes that the claimant's context has ended. Caller holds endpoint.mu.
func (cl *claim) noteEnd(why trace.Message, now time.Time) {
	if cl.e.cfg.trace != nil && cl.owner == ownerHas && cl.stage == stageHeld {
		cl.e.cfg.trace.Note(trace.Event{At: now, Kind: trace.End, What: why, Key: cl.name, Claim: cl.noted, Fence: cl.token.Fence()})
	}
}

// reasonOf says why a slot was lost.
func reasonOf(cause error) trace.Message {
	switch cause {
	case errExpired:
		return trace.Late
	case errNotOurs, errRevoked:
		return trace.Lost
	}
	return trace.Broken
}

// noteClose notes that a connection is over for the client. Caller holds
// endpoint.mu.
func (c *conn) noteClose(now time.Time) {
	if c.e.cfg.trace != nil {
		c.e.cfg.trace.Note(trace.Event{At: now, Kind: trace.Close, Conn: c.raw.LocalAddr().String()})
	}
}
