package model

import "github.com/berth-go/berth/internal/trace"

// tick adds what can become of a tick: each clock that may lose one does or does
// not, and then all that is due happens.
func (n *next) tick() {
	ways := []*world{{c: n.c, State: n.from.clone()}}
	for i := range n.from.Peers {
		for _, w := range ways {
			p := &w.Peers[i]
			if n.c.Drift && !p.Slipped && !p.SlipAge && (p.Stage == Holding || p.Stage == Confirming) {
				slow := &world{c: n.c, State: w.clone()}
				slow.slip(i)
				ways = append(ways, slow)
			}
			w.age(i, 1)
		}
		for _, w := range ways {
			w.passOf(i, 1)
			w.timers(i)
		}
	}
	for _, w := range ways {
		w.passServer(1)
		if !w.Stopped {
			w.expire()
		}
		n.steps = append(n.steps, Step{Label{Peer: Nobody}, w.State})
	}
}

// Pass has time pass, and nothing else happen. Whether something is due meanwhile
// is up to the caller: Due says until when there is time.
func (c *Config) Pass(s State, d Time) State {
	w := &world{c: c, State: s.clone()}
	for i := range w.Peers {
		w.age(i, d)
		w.passOf(i, d)
	}
	w.passServer(d)
	return w.State
}

// age has the client's clock go on.
func (w *world) age(i int, d Time) {
	p := &w.Peers[i]
	g := w.c.guard()
	if p.Stage != Idle && (p.Renewing || p.Stage != Holding) {
		p.Age = min(p.Age+d, max(g, p.Age))
	}
	if p.Stage == Holding || w.c.Fine && p.Stage == Granted {
		p.Used = min(p.Used+d, max(g, p.Used))
	}
}

// slip is age for a clock that loses the tick.
func (w *world) slip(i int) {
	p := &w.Peers[i]
	p.Slipped = p.Stage == Holding
	p.SlipAge = p.Renewing || p.Stage == Confirming
}

// passOf has the rest of a peer grow older.
func (w *world) passOf(i int, d Time) {
	p := &w.Peers[i]
	if w.c.Wait {
		if p.Stage == Asked || p.Stage == InLine {
			p.Since = min(p.Since+d, w.c.Young)
		} else {
			p.Since = 0
		}
	}
	if !w.c.Strict && p.Stage == Holding && !p.Held && !p.Paused {
		p.Outlived = min(p.Outlived+d, w.c.outlive()+1)
	}
}

func (w *world) passServer(d Time) {
	for i := range w.Peers {
		p := &w.Peers[i]
		p.Lease = max(0, p.Lease-d)
	}
	w.Grace = max(0, w.Grace-d)
}

// expire ends the leases that have run out.
func (w *world) expire() {
	for i := range w.Peers {
		if p := &w.Peers[i]; p.Held && p.Lease == 0 {
			w.unhold(p)
		}
	}
	w.serve()
}

// timers does what is due at a client.
func (w *world) timers(i int) {
	p := &w.Peers[i]
	switch {
	case p.Paused || p.Stage != Holding:
	case p.Used >= w.c.guard():
		w.lose(p, trace.Late)
	case p.Link == Down:
	case p.Renewing && p.Age >= w.c.Answer:
		w.late(p)
	case !p.Renewing && p.Used >= w.c.Beat:
		p.Renewing = true
		w.ask(p, trace.AskLease)
	}
}

// late takes note that a renewal was not answered in time.
func (w *world) late(p *Peer) {
	if !w.c.Strict {
		w.lose(p, trace.Broken) // the context first
		w.hangUp(p)
		return
	}
	w.hangUp(p)
	p.Renewing, p.Age = false, 0
}
