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

	picture picture // kept up to date while it is watched
	stop    func()  // ends the watch; nil: it is not watched
	silent  int     // how often in turn something was missing that the watch should have told
	again   func()  // begins the watch anew
	idle    time.Time
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
	if ln.stop != nil {
		ln.stop()
	}
	ln.stop, ln.again, ln.silent = nil, nil, 0
	ln.picture = picture{}
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
	p, ok := ln.picture.find(id)
	s.verdict(c, ok && p.created == c.created, p.lease)
}

// verdict takes the news that the key of a claim is there, on a lease, or is not.
// Caller holds mu.
func (s *Source) verdict(c *claim, there bool, lease int64) {
	switch {
	case !there:
		c.line.numbers.put(c.number)
		c.vanished(errTaken)
	case lease != int64(c.line.session.id) && lease != int64(c.moveTo):
		c.vanished(errRevoked)
	}
}
