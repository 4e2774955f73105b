package model

import (
	"fmt"
	"slices"

	"github.com/berth-go/berth/internal/trace"
)

// This file has the steps of a replay: each is one event, and what the model in
// Promela does in one step with what made it due is a step of its own. A replay also
// has what clients do besides: they ask for a slot without a place in line, send the
// request for a place and the wait for it at once, keep a grant for a while before
// they begin, and close connections on which requests are under way.

// fineClient adds the steps of a client.
func (n *next) fineClient(i int, p *Peer) {
	step := func(kind trace.Kind, what Message, f func(w *world, p *Peer)) {
		n.step(kind, what, i, func(w *world) { f(w, &w.Peers[i]) })
	}
	n.sends(i, p, step)
	for a := trace.Acquired; a <= trace.Denied; a <<= 1 {
		// Answers to the requests of a claim come in their order.
		if p.Answers&a != 0 && (a != trace.Granted || p.Answers&trace.Queued == 0) {
			step(trace.Received, a, func(w *world, p *Peer) { w.hear(p, a) })
		}
	}
	if p.Stage == Granted && p.Sure && (p.Used <= n.c.guard() || n.c.Pause) {
		step(trace.Begin, 0, func(_ *world, p *Peer) { p.Stage = Holding })
	}
	if p.Stage == Holding {
		n.ends(i, p, step)
	}
	if n.c.Strict || p.Stage != Holding {
		step(trace.Close, 0, (*world).close)
	}
	if p.Link == Down {
		step(trace.None, 0, func(_ *world, p *Peer) { p.Link = Up })
	}
	step(trace.Kill, 0, (*world).crash)
}

// sends adds what the client can send.
func (n *next) sends(i int, p *Peer, step func(trace.Kind, Message, func(*world, *Peer))) {
	if p.Link == Down {
		return
	}
	send := func(m Message, f func(w *world, p *Peer)) { step(trace.Sent, m, f) }
	if p.Stage == Idle && !p.Left && p.Requests == 0 {
		send(p.Way, (*world).claim)
	}
	waits := p.Stage == Asked || p.Stage == InLine
	if waits && p.Way == trace.AskPlace && p.Requests&trace.AskWait == 0 {
		send(trace.AskWait, func(w *world, p *Peer) { w.ask(p, trace.AskWait) })
	}
	if waits && p.Requests&trace.AskLeave == 0 {
		send(trace.AskLeave, func(_ *world, p *Peer) { p.Requests |= trace.AskLeave })
	}
	if p.Stage == Granted || p.Stage == Holding && !p.Renewing {
		send(trace.AskLease, func(w *world, p *Peer) {
			if p.Stage == Granted && !p.Sure {
				p.Stage = Confirming
			}
			p.Renewing = true
			w.ask(p, trace.AskLease)
		})
	}
	again := p.Stage == Idle && p.Left && !p.Release // if there was no answer
	if p.Stage == Granted || p.Stage == Confirming || p.Stage == Ended || again {
		send(trace.AskFree, func(w *world, p *Peer) {
			w.rest(p)
			p.Left = true
			p.Release, p.Owed = p.Link == Up, p.Link != Up
		})
	}
}

// ends adds the ways in which a context can end.
func (n *next) ends(i int, p *Peer, step func(trace.Kind, Message, func(*world, *Peer))) {
	end := func(why Message, f func(w *world, p *Peer)) { step(trace.End, why, f) }
	release := func(w *world, p *Peer) {
		owed := p.Link == Down
		w.rest(p)
		p.Left, p.Owed = true, owed
		if !owed {
			p.Stage = Ended
		}
	}
	end(trace.Done, release)
	if p.Used >= n.c.guard() || n.c.Pause {
		end(trace.Late, func(w *world, p *Peer) {
			release(w, p)
			p.Owed = false
		})
	}
	if p.Lost {
		end(trace.Lost, (*world).rest)
	}
	if !n.c.Strict && n.c.Cut {
		end(trace.Broken, (*world).rest)
	}
	end(trace.Cleared, (*world).rest)
}

// hear takes an answer.
func (w *world) hear(p *Peer, answer Message) {
	p.Answers &^= answer
	waits := p.Stage == Asked || p.Stage == InLine
	has := p.Stage == Granted || p.Stage == Holding
	switch {
	case answer == trace.Queued && p.Stage == Asked:
		p.Stage = InLine
	case answer == trace.Acquired && waits:
		w.grantedNow(p, true)
	case answer == trace.Granted && waits:
		w.grantedNow(p, p.Since < w.c.Young)
	case answer == trace.Renewed && p.Stage == Confirming:
		w.grantedNow(p, true)
	case answer == trace.Renewed && has:
		w.renewed(p)
	case (answer == trace.Denied || answer == trace.Refused) && p.Stage == Holding:
		p.Renewing, p.Lost = false, true
	case answer == trace.Refused && (waits || p.Stage == Granted), answer == trace.Denied && (p.Stage == Confirming || p.Stage == Granted):
		w.rest(p)
	}
}

// grantedNow has the client know of a grant. It is sure if the slot can be used
// without a confirmation, should the lease last.
func (w *world) grantedNow(p *Peer, sure bool) {
	p.Stage = Granted
	w.renewed(p)
	p.Sure = sure && p.Used < w.c.guard()
}

// close has the client give its connection up. What it has sent may still arrive.
func (w *world) close(p *Peer) {
	p.Unseen = p.Unseen || p.Link == Up && !p.Closed
	p.Stray |= p.Requests
	if p.Release {
		p.Stray |= trace.AskFree
	}
	owed := p.Owed || p.Release || p.Stage == Ended || p.Stage == Confirming && w.c.Strict
	p.Link, p.Requests, p.Answers, p.Release = Down, 0, 0, false
	if keeps := p.Stage == Holding || p.Stage == Granted && w.c.Strict; keeps {
		p.Renewing, p.Age = false, 0
		return
	}
	left := p.Left || owed
	w.rest(p)
	p.Owed, p.Left = owed, left
}

// fineServer adds the steps of the server. Leases that have run out, and what that
// frees, come before anything that somebody asked for, also where a server is slow.
func (n *next) fineServer(i int, p *Peer) {
	step := func(kind trace.Kind, what Message, f func(w *world, p *Peer)) {
		n.step(kind, what, i, func(w *world) { f(w, &w.Peers[i]) })
	}
	if p.Held && p.Lease == 0 {
		step(trace.Expire, 0, (*world).unhold)
	}
	for _, old := range []bool{false, true} { // the connection is the client's, or was
		n.labelled(Label{trace.Drop, 0, i, old}, func(w *world) {
			p := &w.Peers[i]
			if p.Link == Up && !old {
				w.cut(i)
			}
			p.Unseen, p.Closed = false, true
		})
	}
	under := p.Requests | p.Stray
	if p.Placed && (p.Closed || n.from.Stopped || under&(trace.AskLeave|trace.AskWait) != 0) {
		step(trace.Leave, 0, func(w *world, p *Peer) {
			if p.Waits {
				w.reply(p, trace.Refused)
			}
			w.leave(i)
			p.Waits = false
			p.Requests &^= trace.AskLeave
		})
	}
	if w := (&world{c: n.c, State: n.from}); len(w.Line) > 0 && w.Line[0] == i && w.room(p.Limit) && !w.frozen() && !w.Stopped && !p.Closed {
		step(trace.Grant, 0, func(w *world, _ *Peer) { w.serveFirst() })
	}
	if n.from.expired() {
		return
	}
	n.takes(i, p)
	asked := p.Release || under&(trace.AskFree|trace.AskLeave) != 0
	if p.Held && (asked || p.Closed && !n.c.Strict) {
		step(trace.Release, 0, func(w *world, p *Peer) {
			w.unhold(p)
			p.takeRelease()
			p.Requests &^= trace.AskLeave
		})
	}
	if asked && (!p.Held || p.Closed && !n.c.Strict) {
		step(trace.Release, trace.Denied, func(_ *world, p *Peer) { p.takeRelease() })
	}
	if p.Held {
		step(trace.Revoke, 0, func(_ *world, p *Peer) { p.Revoked = true })
	}
}

// takes adds the requests that the server can take. The answer to one that came over
// a connection which the client has given up is lost.
func (n *next) takes(i int, p *Peer) {
	take := func(kind trace.Kind, m Message, f func(w *world) Message) {
		if p.Requests&m != 0 {
			w := &world{c: n.c, State: n.from.clone()}
			n.labelled(Label{kind, f(w), i, false}, func(w *world) { f(w) })
		}
		if p.Stray&m != 0 {
			strayed := func(w *world) Message {
				was := w.Peers[i]
				answer := f(w)
				now := &w.Peers[i]
				now.Requests, now.Answers, now.Stray = was.Requests, was.Answers, was.Stray&^m
				return answer
			}
			w := &world{c: n.c, State: n.from.clone()}
			n.labelled(Label{kind, strayed(w), i, true}, func(w *world) { strayed(w) })
		}
	}
	if !n.from.Stopped {
		take(trace.Enqueue, p.Way, func(w *world) Message { return w.takeClaim(i) })
	}
	take(trace.Wait, trace.AskWait, func(w *world) Message { return w.takeWait(i) })
	take(trace.Renew, trace.AskLease, func(w *world) Message { return w.takeRenewal(i) })
	// It may refuse a claim for reasons that are not in the model, and it refuses a
	// renewal whose connection has ended.
	take(trace.Enqueue, p.Way, func(w *world) Message { return w.refuse(&w.Peers[i], p.Way, trace.Refused) })
	if p.Closed && !n.c.Strict {
		take(trace.Renew, trace.AskLease, func(w *world) Message { return w.refuse(&w.Peers[i], trace.AskLease, trace.Denied) })
	}
}

// takeRelease takes one of the releases that are under way.
func (p *Peer) takeRelease() {
	if p.Stray&trace.AskFree != 0 {
		p.Stray &^= trace.AskFree
	} else {
		p.Release = false
	}
}

func (w *world) refuse(p *Peer, request, answer Message) Message {
	p.Requests &^= request
	w.reply(p, answer)
	return answer
}

// expired reports whether a lease has run out.
func (s *State) expired() bool {
	return slices.ContainsFunc(s.Peers, func(p Peer) bool { return p.Held && p.Lease == 0 })
}

// Due returns how soon somebody has to do something, and what, or ok=false. With
// Pause, processes may be stopped: then nothing is due but what a client does in the
// same step as what made it due.
func (c *Config) Due(s *State) (in Time, what string, ok bool) {
	for i := range s.Peers {
		at, act, due := c.dueOf(&s.Peers[i])
		if due && (!ok || at < in) {
			in, what, ok = at, fmt.Sprintf("peer %d has to %s", i, act), true
		}
	}
	if c.Pause || s.Stopped {
		return in, what, ok
	}
	for i := range s.Peers {
		if p := &s.Peers[i]; p.Held && (!ok || p.Lease < in) {
			in, what, ok = p.Lease, fmt.Sprintf("the server has to end the lease of peer %d", i), true
		}
	}
	w := &world{c: c, State: *s}
	if len(s.Line) > 0 && !w.frozen() && s.room(s.Peers[s.Line[0]].Limit) {
		in, what, ok = 0, fmt.Sprintf("the server has to grant peer %d a slot", s.Line[0]), true
	}
	return in, what, ok
}

func (c *Config) dueOf(p *Peer) (in Time, what string, ok bool) {
	switch {
	case p.Stage == Ended:
		return 0, "give the slot back, since its context has ended", true
	case p.Stage == Granted && !p.Sure:
		return 0, "confirm a grant that may be old, or give it back", true
	case p.Lost:
		return 0, "end the context of a slot that is not its own any more", true
	case c.Pause: // it may be stopped
	case p.Stage == Holding:
		in, what = c.guard()-p.Used, "end the context of a slot that cannot be relied on any more"
		if late := c.Answer - p.Age; p.Renewing && p.Link != Down && late < in {
			in, what = late, "close a connection on which a renewal was not answered in time"
		}
		if beat := c.Beat - p.Used; !p.Renewing && p.Link != Down && beat < in {
			in, what = beat, "renew"
		}
		return max(0, in), what, true
	}
	return 0, "", false
}
