package model

import "encoding/binary"

// Explore takes every step that can be taken from the start and returns how many
// states there are, or the first state that breaks a promise.
func (c *Config) Explore() (states int, err error) {
	first := c.Start()
	seen := map[string]struct{}{first.key(): {}}
	for todo := []State{first}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, step := range c.Next(s) {
			key := step.To.key()
			if _, ok := seen[key]; ok {
				continue
			}
			seen[key] = struct{}{}
			if err := c.Broken(&step.To); err != nil {
				return len(seen), err
			}
			todo = append(todo, step.To)
		}
	}
	return len(seen), nil
}

// key is a string that no other state has.
func (s *State) key() string {
	b := make([]byte, 0, 32+32*len(s.Peers))
	flag := func(set ...bool) {
		var bits uint64
		for i, is := range set {
			if is {
				bits |= 1 << i
			}
		}
		b = binary.AppendUvarint(b, bits)
	}
	for i := range s.Peers {
		p := &s.Peers[i]
		b = append(b, byte(p.Stage), byte(p.Link))
		flag(p.Release, p.Renewing, p.Left, p.Owed, p.Cancelled, p.Paused, p.Slipped, p.SlipAge,
			p.Held, p.Revoked, p.Placed, p.Waits, p.Closed, p.Unseen, p.Sure)
		for _, n := range []uint64{
			uint64(p.Requests), uint64(p.Answers), uint64(p.Stray), uint64(p.Age), uint64(p.Used), uint64(p.Since), uint64(p.Lease), uint64(p.Outlived),
		} {
			b = binary.AppendUvarint(b, n)
		}
	}
	flag(s.Stopped, s.Halted)
	b = binary.AppendUvarint(b, uint64(s.Grace))
	for _, i := range s.Line {
		b = binary.AppendUvarint(b, uint64(i))
	}
	return string(b)
}
