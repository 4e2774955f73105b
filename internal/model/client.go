package model

import "github.com/berth-go/berth/internal/trace"

// client adds the steps of a client.
func (n *next) client(i int, p *Peer) {
	c := n.c
	step := func(f func(w *world, p *Peer)) {
		n.step(trace.None, 0, i, func(w *world) { f(w, &w.Peers[i]) })
	}
	runs := !p.Paused
	if runs && p.Stage == Idle && p.Link == Up && c.clean(p) {
		step((*world).claim)
	}
	if runs && p.Answers != 0 {
		step(func(w *world, p *Peer) { w.read(p, p.Answers) })
	}
	if runs && p.Stage == Holding {
		step((*world).giveBack) // its job is done
	}
	if runs && p.Link == Down {
		step((*world).redial)
	}
	if runs && p.Link == Cut {
		step((*world).notice)
	}
	if c.Cancel && p.Stage != Idle && p.Stage != Holding && !p.Cancelled {
		n.cancel(i, p)
	}
	if c.Leave && p.Stage == InLine {
		step((*world).leaveLine)
	}
	if c.Crash && (p.Stage != Idle || c.givenBack(p)) {
		step((*world).crash)
	}
	if c.Pause && p.Stage == Holding && !p.Paused {
		step(func(_ *world, p *Peer) { p.Paused = true })
	}
	if p.Paused {
		step(func(w *world, p *Peer) { p.Paused = false; w.timers(i) })
	}
}

// cancel adds the ways in which a claimant gives up.
func (n *next) cancel(i int, p *Peer) {
	step := func(f func(w *world, p *Peer)) {
		n.step(trace.None, 0, i, func(w *world) { f(w, &w.Peers[i]) })
	}
	if p.Stage == Confirming {
		step((*world).giveBack)
		return
	}
	step(func(_ *world, p *Peer) { p.Cancelled = true }) // to give back what comes
	if !n.c.Strict {
		step(func(w *world, p *Peer) {
			w.rest(p)
			p.Left = true
			w.hangUp(p)
		})
	}
}

// leaveLine gives up the place, or what is granted there.
func (w *world) leaveLine(p *Peer) {
	w.rest(p)
	p.Left = true
	p.Requests |= trace.AskLeave
}

// claim begins a claim.
func (w *world) claim(p *Peer) {
	p.Left = false
	p.Stage = Asked
	if p.Way == trace.AskBoth {
		p.Stage = InLine
	}
	w.ask(p, p.Way)
}

// ask sends a request. It is lost where the connection is broken.
func (w *world) ask(p *Peer, m Message) {
	if p.Link == Up {
		p.Requests |= m
	}
	p.Age, p.SlipAge = 0, false
}

// rest clears what is of no meaning outside of a claim.
func (w *world) rest(p *Peer) {
	p.Stage, p.Renewing, p.Age, p.Used, p.Since = Idle, false, 0, 0, 0
	p.Slipped, p.SlipAge, p.Cancelled, p.Sure, p.Lost = false, false, false, false, false
	p.Outlived = 0
}

// read takes an answer.
func (w *world) read(p *Peer, answer Message) {
	p.Answers &^= answer
	switch {
	case p.Stage == Idle: // nobody needs it any more
	case answer == trace.Acquired && p.Cancelled:
		w.giveBack(p)
	case answer == trace.Acquired:
		w.begin(p)
	case answer == trace.Granted:
		w.granted(p)
	case answer == trace.Queued:
		p.Stage = InLine
		w.ask(p, trace.AskWait)
	case answer == trace.Refused:
		w.rest(p)
	case answer == trace.Renewed && p.Stage == Confirming:
		w.begin(p)
	case answer == trace.Renewed:
		w.renewed(p)
	case answer == trace.Denied && p.Stage == Confirming:
		w.rest(p)
	case answer == trace.Denied:
		w.lose(p, trace.Lost)
	}
}

// granted takes the news of a grant that may be old.
func (w *world) granted(p *Peer) {
	switch {
	case p.Cancelled:
		w.giveBack(p)
	case w.young(p):
		p.Stage = Holding
		w.renewed(p)
	default:
		p.Stage = Confirming
		w.ask(p, trace.AskLease)
	}
}

// young reports whether a grant needs no confirmation.
func (w *world) young(p *Peer) bool { return w.c.Wait && p.Since < w.c.Young }

// begin makes the slot usable, if it still is.
func (w *world) begin(p *Peer) {
	if p.Age >= w.c.guard() {
		w.giveBack(p)
		return
	}
	p.Stage = Holding
	w.renewed(p)
}

// renewed has the lease count from before its request was sent.
func (w *world) renewed(p *Peer) {
	p.Renewing = false
	p.Used, p.Age = p.Age, 0
	p.Slipped, p.SlipAge = p.SlipAge, false
}

// giveBack releases a slot that the client knows of.
func (w *world) giveBack(p *Peer) {
	w.rest(p)
	p.Left = true
	switch {
	case p.Link == Up:
		p.Release = true
	case w.c.Strict:
		p.Owed = true
	}
}

// lose ends a context unasked.
func (w *world) lose(p *Peer, why Message) {
	w.rest(p)
	if why == trace.Late && p.Link == Up {
		p.Release = true
	}
}

// hangUp has the client close its connection. What it has sent and the server has
// not read is lost, which is worse for it than what TCP does.
func (w *world) hangUp(p *Peer) {
	p.Link = Down
	p.Requests, p.Answers = 0, 0
	p.Unseen = true
}

// cut breaks the connection, and neither side knows yet.
func (w *world) cut(i int) {
	p := &w.Peers[i]
	p.Link, p.Unseen, p.Requests = Cut, true, 0
	if w.c.Strict {
		p.Owed = p.Owed || p.Release
	}
	p.Release = false
}

// notice has the client learn that its connection is broken.
func (w *world) notice(p *Peer) {
	p.Link = Down
	p.Requests, p.Answers = 0, 0
	switch {
	case p.Stage == Holding && w.c.Strict:
		p.Renewing, p.Age = false, 0
	case p.Stage == Holding:
		w.lose(p, trace.Broken)
	case p.Stage == Confirming && w.c.Strict:
		w.rest(p)
		p.Owed, p.Left = true, true
	default:
		w.rest(p)
	}
}

// redial makes a new connection, and takes over what the last one left.
func (w *world) redial(p *Peer) {
	p.Link = Up
	if p.Stage == Holding {
		p.Renewing = true
		w.ask(p, trace.AskLease)
	}
	p.Release, p.Owed = p.Owed, false
}

func (w *world) crash(p *Peer) {
	w.rest(p)
	p.Left, p.Release, p.Owed = false, false, false
	p.Requests, p.Answers = 0, 0
	p.Unseen = p.Unseen || p.Link == Up
	p.Link = Down
}
