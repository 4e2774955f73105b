package model

import "github.com/berth-go/berth/internal/trace"

// A Label says what happens in a step: an event that can be recorded, of a peer, or
// none. In a step that several events are part of it is the first.
type Label struct {
	Kind  trace.Kind
	What  Message
	Peer  int
	Stray bool // the request came over a connection that the client has given up
}

// A Step is something that can happen, and the state after it.
type Step struct {
	Label
	To State
}

// Next returns all that can happen in a state. A tick passes in one of the steps;
// with Fine none does, see Pass.
func (c *Config) Next(s State) []Step {
	n := next{c: c, from: s}
	for i := range s.Peers {
		n.peer(i)
	}
	n.others()
	return n.steps
}

// Of returns the steps of Next that have this label.
func (c *Config) Of(s State, l Label) []Step {
	n := next{c: c, from: s, only: &l}
	if l.Peer == Nobody {
		n.others()
	} else {
		n.peer(l.Peer)
	}
	return n.steps
}

// Nobody is the Peer of a label that is no peer's.
const Nobody = -1

// next gathers the steps from a state.
type next struct {
	c     *Config
	from  State
	only  *Label // nil: all
	steps []Step
}

// step adds what f makes of the state.
func (n *next) step(kind trace.Kind, what Message, peer int, f func(w *world)) {
	n.labelled(Label{Kind: kind, What: what, Peer: peer}, f)
}

func (n *next) labelled(l Label, f func(w *world)) {
	if n.only != nil && *n.only != l {
		return
	}
	w := &world{c: n.c, State: n.from.clone()}
	f(w)
	if !n.c.Fine {
		w.serve()
	}
	n.steps = append(n.steps, Step{l, w.State})
}

// A world is a state that a step changes.
type world struct {
	c *Config
	State
}

// peer adds the steps of a peer: of its client, of the server's work for it, and of
// the network between them.
func (n *next) peer(i int) {
	p := &n.from.Peers[i]
	if n.c.Fine {
		n.fineClient(i, p)
		n.fineServer(i, p)
		return
	}
	n.client(i, p)
	n.server(i, p)
	if n.c.Cut && p.Link == Up && (p.Stage != Idle || p.Release) {
		n.step(trace.None, 0, i, func(w *world) { w.cut(i) })
	}
}

// others adds the steps that are no peer's.
func (n *next) others() {
	s, c := &n.from, n.c
	if c.Restart {
		n.step(trace.Restart, 0, Nobody, (*world).restart)
	}
	if c.Halt && (!s.Halted || c.Fine) {
		n.step(trace.Pause, 0, Nobody, func(w *world) { w.Halted = true })
	}
	if c.Halt && (s.Halted || c.Fine) {
		n.step(trace.Pause, trace.Done, Nobody, func(w *world) { w.Halted = false })
	}
	if c.Fine && !s.Stopped {
		n.step(trace.Drain, 0, Nobody, func(w *world) { w.Stopped = true })
	}
	if c.Fine {
		return
	}
	n.tick()
	if c.Freeze && !s.Stopped {
		n.step(trace.None, 0, Nobody, func(w *world) { w.Stopped = true })
	}
	if c.Freeze && s.Stopped {
		n.step(trace.None, 0, Nobody, func(w *world) { w.Stopped = false; w.expire() })
	}
}
