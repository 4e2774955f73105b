package model

import (
	"slices"

	"github.com/berth-go/berth/internal/trace"
)

// server adds the steps of the server's work for a peer.
func (n *next) server(i int, p *Peer) {
	if n.from.Stopped {
		return
	}
	step := func(kind trace.Kind, f func(w *world)) { n.step(kind, 0, i, f) }
	if p.Requests&(trace.AskBoth|trace.AskPlace|trace.AskSlot) != 0 {
		step(trace.Enqueue, func(w *world) { w.takeClaim(i) })
	}
	if p.Requests&trace.AskWait != 0 {
		step(trace.Wait, func(w *world) { w.takeWait(i) })
	}
	if p.Requests&trace.AskLease != 0 {
		step(trace.Renew, func(w *world) { w.takeRenewal(i) })
	}
	if p.Release {
		step(trace.Release, func(w *world) { w.takeRelease(i) })
	}
	if p.Requests == trace.AskLeave {
		step(trace.Leave, func(w *world) { w.takeLeave(i) })
	}
	if p.Unseen {
		step(trace.Drop, func(w *world) { w.Peers[i].Unseen, w.Peers[i].Closed = false, true })
	}
	if p.Closed {
		step(trace.None, func(w *world) { w.clear(i) })
	}
	if n.c.Revoke && p.Held && !p.Revoked {
		step(trace.Revoke, func(w *world) { w.Peers[i].Revoked = true })
	}
}

// frozen reports whether nothing is granted now.
func (w *world) frozen() bool { return w.c.Restart && w.c.Strict && w.Grace > 0 || w.Halted }

// reply answers a peer, unless its connection has broken.
func (w *world) reply(p *Peer, answer Message) {
	if p.Link == Up {
		p.Answers |= answer
	}
}

// hold makes a peer the holder of a slot.
func (w *world) hold(p *Peer) {
	p.Held = true
	p.Lease = w.c.Lease
}

func (w *world) unhold(p *Peer) { p.Held, p.Revoked, p.Lease = false, false, 0 }

// takeClaim takes a claim, and returns the answer.
func (w *world) takeClaim(i int) Message {
	p := &w.Peers[i]
	p.Requests &^= p.Way
	switch {
	case w.room(p.Limit) && !w.frozen() && len(w.Line) == 0:
		w.hold(p)
		answer := trace.Acquired
		if w.c.Fine && p.Way == trace.AskBoth {
			answer = trace.Granted // it is the answer to a wait
		}
		w.reply(p, answer)
		return trace.Acquired
	case p.Way == trace.AskSlot:
		w.reply(p, trace.Refused)
		return trace.Refused
	case p.Way == trace.AskPlace:
		w.reply(p, trace.Queued)
	}
	w.Line = append(w.Line, i)
	p.Placed = true
	return trace.Queued
}

// takeWait takes the wait for a place, and returns the answer, or Queued if it is to
// be answered later.
func (w *world) takeWait(i int) Message {
	p := &w.Peers[i]
	p.Requests &^= trace.AskWait
	switch {
	case p.Held && !p.Revoked:
		if !w.c.Ghosts {
			p.Lease = w.c.Lease
		}
		w.reply(p, trace.Granted)
		return trace.Granted
	case p.Placed:
		p.Waits = true
		return trace.Queued
	case w.c.Ghosts:
		w.reply(p, trace.Granted) // although its lease has run out
		return trace.Granted
	}
	w.reply(p, trace.Refused)
	return trace.Refused
}

// takeRenewal takes a renewal, and returns the answer.
func (w *world) takeRenewal(i int) Message {
	p := &w.Peers[i]
	p.Requests &^= trace.AskLease
	answer := trace.Denied
	if p.Held && !p.Revoked {
		p.Lease = w.c.Lease
		answer = trace.Renewed
	}
	w.reply(p, answer)
	return answer
}

func (w *world) takeRelease(i int) {
	p := &w.Peers[i]
	p.Release = false
	w.unhold(p)
}

// takeLeave frees the place, or the slot that was granted there.
func (w *world) takeLeave(i int) {
	p := &w.Peers[i]
	p.Requests &^= trace.AskLeave
	if p.Placed {
		w.leave(i)
	} else {
		w.unhold(p)
	}
}

// clear ends what a closed connection owned.
func (w *world) clear(i int) {
	p := &w.Peers[i]
	p.Closed, p.Waits = false, false
	w.leave(i)
	if !w.c.Strict {
		w.unhold(p)
	}
}

// leave takes a peer out of the line.
func (w *world) leave(i int) {
	w.Peers[i].Placed = false
	if at := slices.Index(w.Line, i); at >= 0 {
		w.Line = slices.Delete(w.Line, at, at+1)
	}
}

// serve grants what is free to the first in line; those whose connection has ended
// leave.
func (w *world) serve() {
	if w.Stopped {
		return
	}
	for len(w.Line) > 0 && !w.frozen() && w.room(w.Peers[w.Line[0]].Limit) {
		w.serveFirst()
	}
}

func (w *world) serveFirst() {
	p := &w.Peers[w.Line[0]]
	w.Line = slices.Delete(w.Line, 0, 1)
	p.Placed = false
	if !p.Closed {
		w.hold(p)
		w.tell(p)
	}
}

// tell answers a client that waits, unless the connection on which it does has
// broken: another that it has made since carries no answer for this one.
func (w *world) tell(p *Peer) {
	waits := p.Waits || p.Way == trace.AskBoth
	p.Waits = false
	if waits && p.Link == Up && !p.Unseen {
		p.Answers |= trace.Granted
	}
}

// restart has the server forget everything, and all connections break.
func (w *world) restart() {
	for i := range w.Peers {
		p := &w.Peers[i]
		if p.Link == Up {
			w.cut(i)
		}
		w.unhold(p)
		p.Placed, p.Closed, p.Unseen = false, false, false
	}
	w.Line = nil
	if w.c.Fine { // another process
		w.Stopped, w.Halted = false, false
	}
	w.Grace = w.c.Grace
}
