package etcd

import (
	"context"
	"slices"
	"time"

	"github.com/berth-go/berth/internal/errs"
)

// cutTimeout is how long Close waits for goroutines whose requests were called off.
const cutTimeout = 50 * time.Millisecond

// Close gives back the slots that are still held, whose contexts end with
// slot.ErrLost, by telling etcd that the lease is over; one that was abandoned stays
// until its own lease ends. It returns when that is done, ctx ends or a second has
// passed, whichever is first: what is left then is called off, and its slots are free
// as for a client that died.
func (s *Source) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	s.lock()
	if !s.closed {
		s.shut()
	}
	s.unlock()
	select {
	case <-s.gone:
		return s.closeErr
	case <-ctx.Done():
		s.end()
	}
	select {
	case <-s.gone:
		return s.closeErr
	case <-time.After(cutTimeout): // a function of the user's that does not return
		return s.wrap("close", "", errCut)
	}
}

// shut ends all contexts and claims, and has etcd told. Caller holds mu.
func (s *Source) shut() {
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	var ignored []*claim
	for c := range s.held {
		if c.abandoned && c.own == nil {
			ignored = append(ignored, c)
		}
		c.finish(s.wrap("hold", c.name, errs.Lost(ErrClosed)))
	}
	s.failPending(ErrClosed)
	x := s.session
	if x != nil {
		s.die(x, ErrClosed)
	}
	go s.finish(x, ignored)
}

// finish tells etcd that the session is over, and waits for everything that runs.
func (s *Source) finish(x *session, ignored []*claim) {
	defer close(s.gone)
	if x != nil {
		s.closeErr = s.giveBack(x, ignored)
	}
	s.end()
	s.tasks.Wait()
}

// giveBack ends the session's lease. What its holders have not let go of must not be
// free before a lease has ended, so that is moved first.
func (s *Source) giveBack(x *session, ignored []*claim) error {
	ctx, cancel := context.WithTimeout(s.ctx, closeTimeout)
	defer cancel()
	if slices.ContainsFunc(ignored, func(c *claim) bool { return s.moveOne(ctx, c) != nil }) {
		return s.wrap("close", "", errNotMoved)
	}
	if _, err := s.client.Revoke(ctx, x.id); err != nil && !leaseIsGone(err) {
		return s.wrap("close", "", errs.InWords(errCut.Error(), errCut, err))
	}
	return nil
}
