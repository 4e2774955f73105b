package model

import "fmt"

// Broken says which promise the state breaks, or nil.
func (c *Config) Broken(s *State) error {
	if n, most := s.held(); n > most {
		return fmt.Errorf("%d slots are held, and the limit of a holder is %d", n, most)
	}
	if c.Strict || !c.Cut {
		if err := c.tooMany(s); err != nil {
			return err
		}
	}
	for i := range s.Peers {
		p := &s.Peers[i]
		switch {
		case !c.Strict && c.Cut && !(c.Fine && c.Pause) && p.Outlived > c.outlive():
			return fmt.Errorf("the context of peer %d outlives its slot", i)
		case p.Held && p.Left && p.Stage == Idle && !c.givenBack(p) && !c.Fine:
			return fmt.Errorf("the slot of peer %d is left behind", i)
		case p.Stage == InLine && p.Link == Up && !p.Unseen && p.Requests == 0 && p.Answers == 0 && !p.Placed && !c.Fine:
			return fmt.Errorf("the place of peer %d is lost without its connection", i)
		}
	}
	return nil
}

// tooMany says whether more use slots than the limit of one of them.
func (c *Config) tooMany(s *State) error {
	n := 0
	for i := range s.Peers {
		if c.uses(&s.Peers[i]) {
			n++
		}
	}
	for i := range s.Peers {
		if p := &s.Peers[i]; c.uses(p) && n > p.Limit {
			return fmt.Errorf("%d use slots, and the limit of one of them is %d", n, p.Limit)
		}
	}
	return nil
}
