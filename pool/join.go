package pool

import (
	"errors"
	"time"

	"github.com/berth-go/berth/slot"
)

// askEvery is how often a claim of a contended group is asked for, rather than
// joined, to learn whether the group still is contended.
const askEvery = 64

// A seat is a claim that the source will tell of: neither a worker nor a
// goroutine waits for it. The slot, once there is one, is the hold's.
type seat struct {
	hold

	// Guarded by the pool's mu.
	place    slot.Place // nil until Join has returned
	told     bool
	unneeded bool // no job needs it any more
}

// mayJoin reports whether the next claim of a group, which has most likely to
// wait in line, can be left to the source; the caller holds mu.
func (p *Pool) mayJoin(g *group) bool {
	return p.joiner != nil && g.line.contended && g.line.joined < askEvery-1 && p.inLine < p.cfg.maxClaims
}

// join leaves a claim to the source. It is called with mu held, and returns with
// mu held.
func (p *Pool) join(g *group) {
	s := &seat{hold: hold{p: p, group: g, claimed: time.Now()}}
	p.begin(g)
	p.inLine++
	g.line.places++
	g.line.joined++
	if g.line.seats == nil {
		g.line.seats = make(map[*seat]struct{})
	}
	g.line.seats[s] = struct{}{}
	p.alive.Add(1)
	p.passOn()
	p.unlock()
	place := p.take(s)
	p.lock()
	s.place = place
	if s.unneeded && !s.told {
		p.unlock()
		s.leave()
		p.lock()
	}
}

// take asks the source for a place. If it fails, the claim has been refused.
func (p *Pool) take(s *seat) (place slot.Place) {
	returned := false
	defer guard(&returned, s.Refused)
	place, err := p.joiner.Join(p.claimCtx, s.group.key, s)
	returned = true
	if place == nil && err == nil {
		err = errors.New("pool: the slot source returned neither a place nor an error")
	}
	if err != nil {
		s.Refused(err)
	}
	return place
}

// leave gives up the claim. A source that fails will tell nothing any more.
func (s *seat) leave() {
	contained(func() {
		returned := false
		defer guard(&returned, s.Refused)
		s.place.Leave()
		returned = true
	})
}

// Granted is called by the source.
func (s *seat) Granted(granted slot.Slot) {
	err := errSourceGoexit
	defer func() {
		if !s.tell(err) {
			quietly(granted.Release) // the source failed before, and goes on all the same
		}
	}()
	err = s.receive(granted)
}

// Refused is called by the source, or instead of it.
func (s *seat) Refused(err error) { s.tell(err) }

// tell takes note of what has become of the claim. It returns false if that was
// known before.
func (s *seat) tell(err error) bool {
	p, g := s.p, s.group
	p.lock()
	defer p.unlock()
	if s.told {
		return false
	}
	s.told = true
	defer p.alive.Done()
	delete(g.line.seats, s)
	if err != nil && s.unneeded {
		err = errUnneeded
	}
	p.leaveLine(g, claimed{at: s.claimed, hold: &s.hold, err: err})
	return true
}

// leaveSeats gives up claims; the caller holds mu.
func (p *Pool) leaveSeats(seats map[*seat]struct{}) {
	var leave []*seat
	for s := range seats {
		if !s.unneeded && s.place != nil {
			leave = append(leave, s)
		}
		s.unneeded = true // join leaves if Join has not returned
	}
	if len(leave) == 0 {
		return
	}
	p.alive.Add(1)
	go func() { // not under mu
		defer p.alive.Done()
		for _, s := range leave {
			s.leave()
		}
	}()
}
