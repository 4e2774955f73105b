package dflockd

import (
	"fmt"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/internal/trace"
	"github.com/berth-go/berth/slot"
)

// This file has the ways in which a claim ends.

// giveBack releases a grant that nobody has or wants. Caller holds endpoint.mu.
func (cl *claim) giveBack(why error, now time.Time) {
	cl.sendRelease(now)
	cl.finish(why)
}

// sendRelease writes the release; nobody waits for its answer, but an answer
// there must be. Caller holds endpoint.mu.
func (cl *claim) sendRelease(now time.Time) {
	cl.back = cl.back.again()
	x := exchange{role: roleRelease, command: cl.verbs.release, claim: cl, sent: now, deadline: now.Add(cl.releaseTime())}
	cl.conn.send(x, &wire.Request{Key: cl.name, Token: cl.token})
}

// releaseTime returns how long the answer to a release may take. Whoever waits
// for it needs time for another attempt. Caller holds endpoint.mu.
func (cl *claim) releaseTime() time.Duration {
	if cl.back == handbackSent && cl.releaseAwaited() {
		return min(cl.e.cfg.socketTimeout, firstRelease)
	}
	return cl.e.cfg.socketTimeout
}

// handedBack takes the answer to a release. Where it was sent twice, the server
// may have forgotten the slot because of the first one. A server that refuses it for
// another reason has the slot held still: the release is sent again over another
// connection, unless that would break those of others. Caller holds endpoint.mu.
func (cl *claim) handedBack(c *conn, r wire.Reply) error {
	switch {
	case r.Status == wire.OK, r.Status == wire.Error && cl.back == handbackResent:
		cl.back = handbackReturned
	case r.Status == wire.Error:
		cl.back = handbackDenied
	case cl.e.cfg.cluster && (r.Status == wire.ErrorNotLeader || r.Status == wire.ErrorDraining):
		return cl.e.follow(c, r)
	case cl.kind.single():
		return refusal(r)
	}
	cl.signal()
	return nil
}

// refused ends the claim with the server's refusal. Caller holds endpoint.mu.
func (cl *claim) refused(r wire.Reply) {
	err := refusal(r)
	if err == ErrLimitMismatch {
		err = errs.InWords(fmt.Sprintf("the key is in use with another limit than %d: give it the same one everywhere, or use the server of this module, where each claim keeps its own", cl.limit), err)
	}
	cl.finish(err)
}

// finish ends a claim that is not held. Caller holds endpoint.mu.
func (cl *claim) finish(err error) {
	if cl.stage == stageDone {
		return
	}
	op := "claim"
	if cl.kind == kindErrand {
		op = cl.errand.Command.String()
	}
	if cl.stage.inLine() || cl.stage == stageConfirm {
		op = "wait"
	}
	if cl.abandoned != nil {
		err = cl.abandoned
	}
	cl.end(cl.wrap(op, err))
}

// end is the last step of every claim. Caller holds endpoint.mu.
func (cl *claim) end(err error) {
	cl.move(stageDone)
	cl.err = err
	cl.leaveConn()
	cl.signal()
}

func (cl *claim) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Engine: engine, Op: op, Key: cl.name, Server: cl.e.address(), Err: err}
}

// leaveConn takes the claim off its connection's load. Caller holds
// endpoint.mu.
func (cl *claim) leaveConn() {
	c := cl.conn
	cl.tag = 0
	if c == nil || c.broken != nil {
		return
	}
	c.load--
	if c.alone = c.e.single; c.alone { // it ends with its claim: no other is to use it
		c.arm(c.heard.Add(c.idle))
	}
	c.e.relist(c)
	c.e.assign()
}

// leave gives up the place in line. Where the server takes that as a request, it
// is asked; where it frees the place of a connection that closes, the connection
// is closed. A strict one that does neither keeps the place and would grant it a
// slot that lies idle for a lease. So there the claim stays until its wait is
// answered, and gives back what is granted. Caller holds endpoint.mu.
func (cl *claim) leave(now time.Time) {
	c := cl.conn
	switch {
	case cl.tag != 0:
		cl.sendLeave(now)
	case !c.strict:
		c.end(now)
		cl.finish(cl.abandoned)
	case cl.stage != stageWait:
		cl.ask(now)
	}
}

// sendLeave asks the server to take back the place in line, or the slot that
// was granted there. Caller holds endpoint.mu.
func (cl *claim) sendLeave(now time.Time) {
	x := exchange{role: roleLeave, command: wire.Leave, tag: cl.tag, claim: cl, sent: now, deadline: now.Add(cl.e.cfg.socketTimeout)}
	c := cl.conn
	if cl.stage != stageWait {
		defer cl.finish(cl.abandoned) // there is no sw whose answer would end it
	}
	c.send(x, &wire.Request{Key: cl.name})
}

// abandon ends the claim because its claimant wants no slot any more. A slot
// that is granted meanwhile goes back. Caller holds endpoint.mu.
func (cl *claim) abandon(err error, now time.Time) {
	if cl.abandoned != nil {
		return
	}
	cl.abandoned = err
	if c := cl.conn; c != nil && c.waiting == cl {
		c.waiting = nil // the cluster will forget the place
		cl.finish(err)
		return
	}
	switch cl.stage {
	case stageConnect:
		cl.e.unwant(cl)
		cl.finish(err)
		cl.e.callOffDials()
	case stageTry, stageEnqueue, stageBoth, stageAsk:
		// The answer will tell what there is to give back.
	case stagePlace, stageWait:
		cl.leave(now)
	case stageConfirm, stageHeld:
		cl.release(slot.ErrReleased, now)
	}
}

// release gives a confirmed or held slot back: the context first, so that it
// has ended before the server can grant the slot to somebody else. Caller
// holds endpoint.mu.
func (cl *claim) release(cause error, now time.Time) {
	cl.endContext(cause)
	cl.noteEnd(trace.Done, now)
	cl.unhold()
	if cl.conn.broken == nil {
		cl.sendRelease(now)
	} else {
		cl.conn.owe(cl)
	}
	cl.end(cause)
}

// lose ends a held slot. Caller holds endpoint.mu.
func (cl *claim) lose(cause error, now time.Time) {
	err := cl.wrap("hold", errs.Lost(cause))
	cl.endContext(err)
	cl.noteEnd(reasonOf(cause), now)
	cl.unhold()
	if cause == errExpired && cl.conn.broken == nil {
		cl.sendRelease(now) // it may still be ours, and somebody may wait
	}
	if cl.lost != nil && !cl.e.closing {
		token := string(cl.token.AppendTo(nil))
		cl.e.later(func() { cl.lost(token) })
	}
	cl.e.warn("slot lost", err, now)
	cl.end(err)
}

// broke takes the news that the connection is gone. Caller holds endpoint.mu.
func (cl *claim) broke(err error, now time.Time) {
	switch cl.stage {
	case stageHeld:
		cl.lose(err, now)
	case stageTry, stageEnqueue, stageBoth, stagePlace, stageAsk, stageWait, stageConfirm:
		cl.finish(err)
	}
}

// cut ends a held slot without giving it back, and its connection with it: the
// server frees the slot when it notices, a strict one when the lease ends. Caller
// holds endpoint.mu.
func (cl *claim) cut(now time.Time) {
	err := cl.wrap("hold", ErrClosed)
	cl.endContext(err)
	cl.noteEnd(trace.Cleared, now)
	cl.unhold()
	c := cl.conn
	cl.end(err)
	c.end(now)
	c.forgetIfEmpty()
}

// unhold takes the slot off its connection. Caller holds endpoint.mu.
func (cl *claim) unhold() {
	if cl.stage != stageHeld {
		return
	}
	held := cl.conn.held
	if cl.index >= len(held) || held[cl.index] != cl {
		return // the whole connection is being dropped
	}
	last := held[len(held)-1]
	held[cl.index], last.index = last, cl.index
	held[len(held)-1] = nil
	cl.conn.held = held[:len(held)-1]
}
