package redis

import (
	"math/rand/v2"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/internal/lease"
)

// This file has the goroutine that renews what is held and what waits, for all claims
// together, and notices what nobody else does: claims without an answer, leases that
// are over by the wall clock, flights that hang.

const (
	// longestBeat is the longest time between two renewals, whatever the lease.
	longestBeat = 7 * time.Second
	// longestCall is how many claims one call of the script renews. It bounds how
	// long the server is kept from others.
	longestCall = 128
	// longestBeats is how many calls that renew are written at once.
	longestBeats = 256
	// mostBeats is how many pipelines of renewals of a lane may be under way: a
	// client that hangs must not hold up the next attempt.
	mostBeats = 3
	// shortestTurn is the least time between two looks at what is due.
	shortestTurn = 2 * time.Millisecond
	// asleep is how long the goroutine sleeps that has nothing to do, unless woken.
	asleep = 24 * time.Hour
)

// renew does what is due until the source is closed.
func (s *Source) renew() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		timer.Reset(s.turn())
	}
}

// turn does what is due, and returns when to look again.
func (s *Source) turn() time.Duration {
	s.lock()
	defer s.unlock()
	now := time.Now()
	due := s.serving(now)
	if s.hurry || !now.Before(s.nextLook) {
		s.writeOff(now)
		due = append(due, s.look(now)...)
		s.repay(now)
		s.hurry = false
		s.nextLook = now.Add(min(lease.WallCheck, s.pace.Beat(s.cfg.lease)/4, s.cfg.timeout/4))
	}
	s.sendBeats(due, now)
	wait := s.nextTurn(now)
	s.awake = now.Add(wait)
	return wait
}

// nextTurn returns how long nothing has to be looked at. Caller holds mu.
func (s *Source) nextTurn(now time.Time) time.Duration {
	if s.idle() {
		return asleep
	}
	wait := s.nextLook.Sub(now)
	for _, ln := range s.lines {
		for _, at := range []time.Time{ln.serve, ln.turn} {
			if !at.IsZero() {
				wait = min(wait, at.Sub(now))
			}
		}
	}
	return max(wait, shortestTurn)
}

// idle reports whether nothing can become due. Caller holds mu.
func (s *Source) idle() bool {
	for _, l := range s.lanes {
		if l.claims.flying > 0 || l.beats.flying > 0 {
			return false
		}
	}
	return len(s.claims) == 0 && len(s.owed) == 0
}

// writeOff waits no more for what hangs. Caller holds mu.
func (s *Source) writeOff(now time.Time) {
	for _, l := range s.lanes {
		l.claims.writeOff(now, s.cfg.timeout)
		l.beats.writeOff(now, s.pace.Answer(lease.Lease{Length: s.cfg.lease}))
		s.launch(l)
	}
}

// look ends what is over and gathers what is to be renewed. Caller holds mu.
func (s *Source) look(now time.Time) []*op {
	due := map[*line][]*claim{}
	for _, c := range s.claims {
		switch {
		case c.state == asking && now.Sub(c.asked) >= s.cfg.timeout:
			c.end(s.wrap("claim", c.name, errTimeout))
		case c.state == asking:
		case c.lease.Over(now, now):
			c.over()
		case s.isDue(c, now):
			due[c.line] = append(due[c.line], c)
		}
	}
	var ops []*op
	for ln, claims := range due {
		for some := range slices.Chunk(claims, longestCall) {
			ops = append(ops, beatOf(ln, some))
		}
	}
	return ops
}

// over ends a claim whose lease can no longer be relied on. Caller holds Source.mu.
func (c *claim) over() {
	switch c.state {
	case held:
		c.expire()
	case granted:
		c.giveUp(c.src.wrap("wait", c.name, errUnasked))
	default:
		c.giveUp(c.src.wrap("wait", c.name, errSilence))
	}
}

// isDue reports whether a claim is to be renewed: when its time has come, and again
// when the answer is late. A slot that nobody has asked for is not, nor is one that was
// abandoned. Caller holds mu.
func (s *Source) isDue(c *claim, now time.Time) bool {
	if c.state == granted || c.abandoned {
		return false
	}
	if c.asked.After(c.lease.From) { // an answer is due
		return now.Sub(c.asked) >= s.pace.Answer(c.lease)
	}
	if s.hurry && c.state == queued {
		return true
	}
	return !now.Before(s.pace.Due(c.lease).Add(-s.pace.Lead(c.lease.Length)))
}

func beatOf(ln *line, claims []*claim) *op {
	o := &op{kind: opBeat, line: ln, claims: claims, copies: newCopies()}
	for _, c := range claims {
		o.ids = append(o.ids, c.id)
	}
	return o
}

// serving returns calls that have the engine serve lines where a lease that is in the
// way, or a pause, is over by now, or the clock lets the first go. Caller holds mu.
func (s *Source) serving(now time.Time) []*op {
	var ops []*op
	for _, ln := range s.lines {
		isDue := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
		if isDue(ln.serve) || isDue(ln.turn) {
			ln.serve, ln.turn = time.Time{}, time.Time{}
			ops = append(ops, beatOf(ln, nil))
		}
	}
	return ops
}

// scheduleServe notes in how many ms the engine has to be asked to serve a line. With
// several sources that wait, each of them asks, at slightly different times. Caller
// holds mu.
func (s *Source) scheduleServe(ln *line, again int64, now time.Time) {
	if again < 0 {
		ln.serve = time.Time{}
		return
	}
	ln.serve = now.Add(time.Duration(again)*time.Millisecond + rand.N(5*time.Millisecond))
	if ln.serve.Before(s.awake) {
		s.rouse()
	}
}

// sendBeats sends calls that renew. What finds no place is due at the next look.
// Caller holds mu.
func (s *Source) sendBeats(due []*op, now time.Time) {
	byLane := map[*lane][]*op{}
	for _, o := range due {
		byLane[o.line.lane] = append(byLane[o.line.lane], o)
	}
	for l, ops := range byLane {
		for batch := range slices.Chunk(ops, longestBeats) {
			if f := l.beats.begin(mostBeats); f != nil {
				s.sendBeat(l, f, batch, now)
				continue
			}
			for _, o := range batch {
				if o.claims == nil {
					o.line.serve = now
				}
			}
		}
	}
}

func (s *Source) sendBeat(l *lane, f *flight, batch []*op, now time.Time) {
	for _, o := range batch {
		for _, c := range o.claims {
			c.asked = now
		}
	}
	s.tasks.Go(func() {
		s.exchange(batch)
		s.lock()
		defer s.unlock()
		l.beats.end(f)
		if len(batch) == longestBeats { // there may be more, for which was no place
			s.nextLook = time.Time{}
			s.rouse()
		}
	})
}

// beaten is called with the answer to a call that renews. Caller holds mu.
func (s *Source) beaten(o *op, cmd *goredis.Cmd, sent, now time.Time) {
	answer, err := cmd.Int64Slice()
	if err == nil && len(answer) != 2+len(o.claims) {
		err = errAnswer
	}
	if err != nil {
		for _, c := range o.claims {
			c.traceRenewed(sent, now, s.trouble(err))
		}
		return
	}
	s.scheduleServe(o.line, answer[0], now)
	var paused time.Time
	if answer[1] > 0 {
		paused = now.Add(time.Duration(answer[1]) * time.Millisecond)
	}
	for i, c := range o.claims {
		c.renewed(answer[2+i], paused, sent, now)
	}
}

// leave has a claim ended where the engine has it. Caller holds mu.
func (s *Source) leave(c *claim) {
	s.post(&op{
		kind: opLeave, line: c.line, ids: []string{c.id}, doubt: c.copies,
		until: time.Now().Add(s.cfg.lease),
	})
}

// left is called when claims were to be ended. What did not get through is asked for
// again until its lease is over anyhow. Caller holds mu.
func (s *Source) left(o *op, cmd *goredis.Cmd, now time.Time) {
	answer, err := cmd.Int64Slice()
	switch {
	case err == nil && len(answer) == 1:
		if o.line.claims > 0 {
			s.scheduleServe(o.line, answer[0], now)
		}
	case !now.Before(o.until): // nothing is held any more
	case s.closing && o.tries == lastTries:
		s.unreturned = true
	case s.closing:
		o.tries++
		s.post(o)
	default:
		s.owed = append(s.owed, o)
		s.rouse()
	}
}

// repay sends again what did not get through. Caller holds mu.
func (s *Source) repay(now time.Time) {
	owed := s.owed
	s.owed = nil
	for _, o := range owed {
		if now.Before(o.until) {
			s.post(o)
		}
	}
}
