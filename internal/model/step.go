package model

import "github.com/berth-go/berth/internal/trace"

// A Label says what happens in a step: an event that can be recorded, of a peer, or
// none. In a step that several events are part of it is the first.
type Label struct {
	Kind trace.Kind
	What Message
	Peer int
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

// Of returns the steps of Next that are a peer's.
func (c *Config) Of(s State, peer int) []Step {
	n := next{c: c, from: s}
	n.peer(peer)
	return n.steps
}

// Others returns the steps of Next that are no peer's.
func (c *Config) Others(s State) []Step {
	n := next{c: c, from: s}
	n.others()
	return n.steps
}

// next gathers the steps from a state.
type next struct {
	c     *Config
	from  State
	steps []Step
}

// step adds what f makes of the state.
func (n *next) step(kind trace.Kind, what Message, peer int, f func(w *world)) {
	w := &world{c: n.c, State: n.from.clone()}
	f(w)
	if !n.c.Fine {
		w.serve()
	}
	n.steps = append(n.steps, Step{Label{kind, what, peer}, w.State})
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
		n.step(trace.Restart, 0, 0, (*world).restart)
	}
	if c.Halt && (!s.Halted || c.Fine) {
		n.step(trace.Pause, trace.Broken, 0, func(w *world) { w.Halted = true })
	}
	if c.Halt && (s.Halted || c.Fine) {
		n.step(trace.Pause, trace.Done, 0, func(w *world) { w.Halted = false })
	}
	if c.Fine {
		return
	}
	n.tick()
	if c.Freeze && !s.Stopped {
		n.step(trace.None, 0, 0, func(w *world) { w.Stopped = true })
	}
	if c.Freeze && s.Stopped {
		n.step(trace.None, 0, 0, func(w *world) { w.Stopped = false; w.expire() })
	}
}
