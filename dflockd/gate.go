package dflockd

import "time"

const (
	shortestBackoff = 100 * time.Millisecond
	longestBackoff  = 5 * time.Second
	rampTime        = 2 * time.Second        // everybody who waited is let in within this time…
	rampStep        = 100 * time.Millisecond // …and a few at least at this pace
)

// gateState is where a dial gate stands.
//
//	        a connection broke                the probe failed
//	open ───────────────────────▶ suspect ───────────────────────▶ down ─┐
//	 ▲  │                            │                              │ ▲  │ the probe
//	 │  └─ a dial failed ─────────── │ ───────────────────────────▶ │ └──┘ failed
//	 │                               │ the probe succeeded          │
//	 └──── nobody waits ──── ramp ◀──┴──────────────────────────────┘
type gateState uint8

const (
	gateOpen    gateState = iota // dial as needed
	gateSuspect                  // one dial shows whether the server is there
	gateDown                     // it is not: one dial after a pause, callers are refused until then
	gateRamp                     // it is back: one dial after the other, paced
)

// verdict is a gate's answer to whoever wants to dial.
type verdict uint8

const (
	dialNow     verdict = iota
	dialAt              // ask again at the time given
	dialProbing         // ask again when the dial under way is done
	dialRefused         // the server is down; the next dial is at the time given
)

// A gate paces the dials to one server, so that a server that comes back is
// not run over by everybody who waited for it. It is pure: time and chance
// come in as arguments.
//
// Invariant: in suspect and down at most one dial is under way.
type gate struct {
	state    gateState
	probing  bool
	failures int           // in a row
	next     time.Time     // no dial before
	since    time.Time     // when the ramp began
	step     time.Duration // between two dials of the ramp
}

// ask returns whether to dial now, while so many connections are waited for. A
// caller that is told dialNow dials.
func (g *gate) ask(now time.Time, waiting int) (verdict, time.Time) {
	if g.state == gateRamp && now.Sub(g.next) > rampTime {
		g.state = gateOpen // nobody has dialled for long
	}
	if g.state == gateOpen {
		return dialNow, now
	}
	if g.probing {
		return dialProbing, now
	}
	if now.Before(g.next) {
		if g.state == gateDown {
			return dialRefused, g.next
		}
		return dialAt, g.next
	}
	if g.state == gateRamp {
		g.widen(waiting)
		g.next = now.Add(g.step)
	} else {
		g.probing = true
	}
	return dialNow, now
}

// widen shortens the step as more come back. It never gets longer again, so
// that the last ones are not held up for being few.
func (g *gate) widen(waiting int) {
	g.step = min(g.step, rampTime/time.Duration(max(waiting, 1)))
}

// broke says that an established connection broke: perhaps the server is gone.
// chance is in [0, 1).
func (g *gate) broke(now time.Time, chance float64) {
	g.failures = 0
	if g.state == gateOpen || g.state == gateRamp {
		g.state = gateSuspect
		g.next = now.Add(time.Duration(chance * float64(shortestBackoff)))
	}
}

// failed says that a dial failed. The pause doubles with each failure in a row
// and is drawn from the whole of its range, so that clients spread.
func (g *gate) failed(now time.Time, chance float64) {
	if g.state == gateDown && !g.probing {
		return // a dial from before the gate closed
	}
	pause := longestBackoff
	if g.failures < 6 {
		pause = min(longestBackoff, shortestBackoff<<g.failures)
	}
	g.failures++
	g.state, g.probing = gateDown, false
	g.next = now.Add(time.Duration(chance * float64(pause)))
}

// calledOff says that a dial was given up for reasons of our own.
func (g *gate) calledOff() { g.probing = false }

// answered says that the server does what it should: the next outage is a new
// one.
func (g *gate) answered() { g.failures = 0 }

// succeeded says that a dial succeeded while so many more are waited for.
func (g *gate) succeeded(now time.Time, waiting int) {
	if g.state == gateSuspect || g.state == gateDown {
		g.state, g.probing = gateRamp, false
		g.step = rampStep
		g.widen(waiting)
		g.next, g.since = now.Add(g.step), now
	}
	// Not sooner: those who lost their connections may be about to come back.
	if waiting == 0 && now.Sub(g.since) > rampTime {
		g.state = gateOpen
	}
}
