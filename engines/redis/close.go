package redis

import (
	"context"
	"time"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

const (
	// closeTimeout is how long Close takes at most.
	closeTimeout = time.Second
	// lastTries is how often what a source that closes gives back is asked for again.
	lastTries = 2
)

var errClose = errs.InWords("the server did not take back what was held: slots may stay held until their leases end", slot.ErrUnavailable)

// Close gives back the slots that are still held, whose contexts end with
// slot.ErrLost, and the places in line. It returns when that is done, ctx ends or a
// second has passed, whichever is first; what is not given back by then is free when
// its lease is over. It leaves the client open.
//
// A request that hangs ends when the client gives it up, see its options: until then a
// goroutine of the source stays.
func (s *Source) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, closeTimeout, errClose)
	defer cancel()
	s.shut()
	select {
	case <-s.gone:
		return s.allReturned()
	case <-ctx.Done():
		s.stop() // ends requests whose client heeds their contexts
		return s.wrap("close", "", context.Cause(ctx))
	}
}

// allReturned returns an error unless all was given back.
func (s *Source) allReturned() error {
	s.lock()
	defer s.unlock()
	if s.unreturned {
		return s.wrap("close", "", errClose)
	}
	return nil
}

// shut ends all claims, once.
func (s *Source) shut() {
	s.lock()
	defer s.unlock()
	if s.closing {
		return
	}
	s.closing = true
	s.repay(time.Now())
	for _, c := range s.claims {
		c.shut()
	}
	// The contexts end first, when mu is free; only then anything is given back.
	s.later(s.giveAllBack)
}

// shut ends a claim because its source is closed. Caller holds Source.mu.
func (c *claim) shut() {
	s := c.src
	if c.state != asking { // what is asked for is given back when it is answered
		s.last = append(s.last, c)
	}
	if c.state == held {
		c.lose(errOwnClose)
		return
	}
	c.end(s.wrap("wait", c.name, slot.ErrClosed))
}

// giveAllBack has all that was held given back, and waits for the end on a goroutine
// of its own.
func (s *Source) giveAllBack() {
	s.lock()
	defer s.unlock()
	for _, o := range leaves(s.last, time.Now().Add(s.cfg.lease)) {
		s.post(o)
	}
	s.last = nil
	s.checkDrained()
	go s.finish()
}

// leaves returns calls that end claims, as few as may be.
func leaves(claims []*claim, until time.Time) []*op {
	type kind struct {
		line  *line
		doubt bool
	}
	ids := map[kind][]string{}
	for _, c := range claims {
		k := kind{c.line, c.copies}
		ids[k] = append(ids[k], c.id)
	}
	var ops []*op
	for k, all := range ids {
		for len(all) > 0 {
			n := min(len(all), longestCall)
			ops = append(ops, &op{kind: opLeave, line: k.line, ids: all[:n], doubt: k.doubt, until: until})
			all = all[n:]
		}
	}
	return ops
}

// checkDrained notes that a source which is closing has nothing to send any more.
// Caller holds mu.
func (s *Source) checkDrained() {
	if !s.closing || s.last != nil || s.returning > 0 {
		return
	}
	for _, l := range s.lanes {
		if len(l.pending) > 0 || len(l.claims.all) > 0 {
			return
		}
	}
	select {
	case <-s.drained:
	default:
		close(s.drained)
	}
}

// finish ends what runs once all is given back, and says when nothing does.
func (s *Source) finish() {
	select {
	case <-s.drained:
	case <-s.ctx.Done():
	}
	s.stop()
	s.tasks.Wait()
	close(s.gone)
}
