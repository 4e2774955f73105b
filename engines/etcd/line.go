package etcd

import "time"

// A line is what a session has to do with one semaphore.
type line struct {
	session *session
	name    string
	prefix  string // of its keys in etcd

	// Guarded by the source's mu.
	numbers  numbers
	claims   map[string]*claim // those that were sent, until they are done, by their keys
	removing int               // keys whose removal is under way
	queued   int               // claims that wait in line

	watch   *watch    // nil: it is not watched
	picture picture   // what the watch has told
	idle    time.Time // since when nobody waits in it
}

// lineOf returns the session's line of a semaphore. Caller holds mu.
func (s *Source) lineOf(x *session, name string) *line {
	ln := x.lines[name]
	if ln == nil {
		ln = &line{session: x, name: name, prefix: s.cfg.keys.line(name), claims: make(map[string]*claim)}
		x.lines[name] = ln
	}
	return ln
}

// note remembers a claim that is about to be sent. Caller holds mu.
func (ln *line) note(c *claim) {
	ln.claims[c.id] = c
	ln.session.claims[c] = struct{}{}
}

// forget undoes note. Caller holds mu.
func (ln *line) forget(c *claim) {
	if ln.claims[c.id] == c {
		delete(ln.claims, c.id)
	}
	delete(ln.session.claims, c)
}

// unqueue counts a claim out that has waited. Caller holds mu.
func (ln *line) unqueue(now time.Time) {
	ln.queued--
	ln.idle = now
}

// shows reports whether the claim is in the picture. Caller holds mu.
func (ln *line) shows(c *claim) bool {
	p, ok := ln.picture.find(c.id)
	return ok && p.created == c.created
}

// unwatch ends the watch, and forgets what it told. Caller holds mu.
func (ln *line) unwatch() {
	if ln.watch != nil {
		ln.watch.stop()
	}
	ln.watch, ln.picture = nil, picture{}
}

// advance grants the claims that may have slots now. Caller holds mu.
func (s *Source) advance(ln *line, now time.Time) {
	if ln.queued == 0 {
		return
	}
	for _, p := range ln.picture.admitted() {
		if c := ln.claims[p.id]; c != nil && c.state == stateQueued && c.created == p.created {
			c.granted(now)
		}
	}
}

// judge looks what has become of a claim in the picture. Caller holds mu.
func (s *Source) judge(ln *line, id string) {
	c := ln.claims[id]
	if c == nil || c.created == 0 || c.created > ln.picture.rev {
		return // not ours, or it is not answered yet, or newer than the picture
	}
	p, _ := ln.picture.find(id)
	s.verdict(c, p)
}

// verdict takes the news of what is in etcd under the key of a claim: its place, or the
// zero place if nothing is. It reports whether all is as it should be. Caller holds mu.
func (s *Source) verdict(c *claim, p place) bool {
	switch {
	case p.created != c.created:
		c.line.numbers.put(c.number)
		c.vanished(errTaken)
	case p.changed && c.moveTo != 0 && p.lease == int64(c.moveTo):
		s.moved(c) // also where the answer to the move has not come, or never will
		return true
	case p.changed:
		s.revoked(c)
	default:
		return true
	}
	return false
}

// revoked ends a claim that an operator has marked. Its slot stays as long as its lease
// would have: who does not heed its context has that time. Caller holds mu.
func (s *Source) revoked(c *claim) {
	held, k := c.state.holds(), c.keyName
	c.vanished(errRevoked)
	if !held {
		s.remove(k)
		return
	}
	s.removeIn(k.line.session.length, k)
}

// removeIn has a key removed in a while. Caller holds mu.
func (s *Source) removeIn(d time.Duration, k keyName) {
	s.after(d, func() {
		s.lock()
		defer s.unlock()
		s.remove(k)
	})
}
