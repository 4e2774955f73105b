package model

import (
	"math"

	"github.com/berth-go/berth/internal/trace"
)

// A Stage is where a client's claim stands.
type Stage uint8

const (
	Idle       Stage = iota
	Asked            // a request for a slot or for a place is on its way
	InLine           // it has a place, or has asked for both at once
	Confirming       // granted; a renewal is on its way to see if it still is
	Holding          // its context has not ended

	// The following are moments only, which a replay sees.

	Granted // the client knows of a grant and has not begun
	Ended   // the context has ended, and the slot is to be released
)

// A Link is the connection of a client.
type Link uint8

const (
	Up   Link = iota
	Cut       // and the client does not know yet
	Down      // and the client knows
)

// A Message is one that a client sends or receives, or a set of them: of each
// kind one at most is under way.
type Message = trace.Message

// A Peer is a client with one claim, and what the server knows of it.
type Peer struct {
	Limit int
	Way   Message // what it asks for first: AskSlot, AskPlace or AskBoth

	// The client.
	Stage     Stage
	Link      Link
	Requests  Message // on their way to the server
	Answers   Message // on their way back
	Release   bool    // on its way to the server
	Renewing  bool
	Sure      bool // Granted, and it can begin without a confirmation
	Age       Time // of the request that is not answered, by the client's clock
	Used      Time // of the lease: since the request that set it was sent
	Since     Time // its claim was sent, while it waits
	Left      bool // ended by its own will: no slot may stay behind
	Owed      bool // a release whose connection broke
	Cancelled bool
	Paused    bool
	Slipped   bool    // its clock has lost its tick since Used was 0
	SlipAge   bool    // the same since Age was 0
	Stray     Message // requests on connections that the client has given up
	Lost      bool    // the client has learned that the slot is not its own any more

	// The server.
	Held    bool
	Revoked bool // it is not renewed any more
	Lease   Time // what is left of it
	Placed  bool // in line
	Waits   bool // a wait is to be answered with the grant
	Closed  bool // its connection has ended, and its turn to be cleared comes
	Unseen  bool // the same, and the server does not know yet

	Outlived Time // how long its context has outlived its slot while it ran
}

// A State is one of the model.
type State struct {
	Peers   []Peer
	Line    []int // of peers, the first in front
	Stopped bool  // the server's process; or with Fine, it drains
	Halted  bool  // nothing is granted
	Grace   Time  // what is left of it
}

// Start returns the first state.
func (c *Config) Start() State {
	s := State{Peers: make([]Peer, len(c.Limits))}
	way := trace.AskBoth
	if c.Wait {
		way = trace.AskPlace
	}
	for i, limit := range c.Limits {
		s.Peers[i] = Peer{Limit: limit, Way: way}
	}
	return s
}

func (s State) clone() State {
	s.Peers = append([]Peer(nil), s.Peers...)
	s.Line = append([]int(nil), s.Line...)
	return s
}

// held returns how many slots are held, and how many may be: the smallest limit
// of their holders.
func (s *State) held() (n, most int) {
	most = math.MaxInt
	for i := range s.Peers {
		if p := &s.Peers[i]; p.Held {
			n++
			most = min(most, p.Limit)
		}
	}
	return n, most
}

// room reports whether a slot is free for a claim with this limit.
func (s *State) room(limit int) bool {
	n, most := s.held()
	return n < min(limit, most)
}

// givenBack reports whether the server is about to learn that the slot is free.
func (c *Config) givenBack(p *Peer) bool {
	leaves := p.Requests&trace.AskLeave != 0
	if c.Strict {
		return p.Release || p.Owed || leaves
	}
	return p.Release || leaves || p.Unseen || p.Closed
}

// clean reports whether nothing of a claim is left.
func (c *Config) clean(p *Peer) bool {
	return !p.Held && !p.Placed && !c.givenBack(p) && !p.Unseen && !p.Closed && p.Requests == 0 && p.Answers == 0
}

// uses reports whether the peer has a context that has not ended, and runs.
func (c *Config) uses(p *Peer) bool {
	return p.Stage == Holding && !p.Paused && !(c.Fine && c.Pause && p.Used >= c.guard())
}
