package etcd

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/internal/lease"
)

// A session is a lease of etcd and what hangs on it: the claims of a source. It ends
// when the lease may not be relied on any more; the next claim opens another.
//
// Every transaction asks that the session's key is as it was last put. Putting it
// again therefore settles all transactions of before: what has not been carried out
// by then never will be, however long it was under way.
type session struct {
	id     clientv3.LeaseID
	length time.Duration // of the lease, as it was granted
	ended  chan struct{} // closed when it is dead

	// Guarded by the source's mu.
	lease    lease.Lease // as last renewed
	dead     bool
	epoch    int64 // the revision at which its key was last put
	lines    map[string]*line
	claims   map[*claim]struct{} // those that were sent, until they are done
	doubt    []keyName           // keys that nobody wants, of transactions whose outcome is not known
	settling bool                // somebody finds that out
	retryAt  time.Time           // nothing is sent before
	looking  bool                // somebody looks around
}

// open makes a session for the claims that wait for one.
func (s *Source) open() {
	x, f := s.newSession()
	s.lock()
	defer s.unlock()
	s.opening = false
	switch {
	case x == nil:
		s.failPending(f.err)
	case s.closed:
		s.later = append(s.later, func() { s.revoke(x.id) })
	default:
		s.known = true
		s.session = x
		s.arm(x.lease.Guard())
		s.spawn(func() { s.keep(x) })
	}
}

// newSession asks etcd for a lease, and puts the session's key under it.
func (s *Source) newSession() (*session, failure) {
	ctx, cancel := s.cfg.within(s.ctx)
	defer cancel()
	if err := s.verify(ctx); err != nil {
		return nil, failure{err: err}
	}
	from := time.Now()
	r, err := s.client.Grant(ctx, s.cfg.leaseSeconds())
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	x := &session{
		id: r.ID, length: time.Duration(r.TTL) * time.Second, ended: make(chan struct{}),
		lines: make(map[string]*line), claims: make(map[*claim]struct{}),
	}
	x.lease = lease.Lease{From: from, Length: x.length}
	put, err := s.client.Txn(ctx).Then(s.putSession(x)).Commit()
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	x.epoch = put.Header.Revision
	return x, failure{}
}

// putSession puts the key by which transactions know that they are not of the past.
func (s *Source) putSession(x *session) clientv3.Op {
	return clientv3.OpPut(s.cfg.keys.session(int64(x.id)), s.cfg.name, clientv3.WithLease(x.id))
}

func (s *Source) failed(ctx context.Context, err error) failure {
	if s.ctx.Err() != nil {
		return failure{ErrClosed, true}
	}
	s.lock()
	defer s.unlock()
	return failed(ctx, err, s.known)
}

// die ends a session with all that hangs on it. Its lease is left to run out: jobs have
// the rest of it to see that their contexts have ended. Caller holds mu.
func (s *Source) die(x *session, why error) {
	if x.dead {
		return
	}
	x.dead = true
	close(x.ended)
	if s.session == x {
		s.session = nil
	}
	place := why
	if !s.closed {
		place = errs.Unavailable(why)
	}
	for c := range x.claims {
		switch {
		case c.own != nil: // it hangs on another lease
		case c.state.holds():
			c.finish(s.wrap("hold", c.name, errs.Lost(why)))
		default:
			c.finish(s.wrap("wait", c.name, place))
		}
	}
	for _, ln := range x.lines {
		ln.unwatch()
	}
	s.kick() // what was held up by this session needs another
}

// revoke tells etcd that a lease is of no use to anybody, so that nobody need wait for its
// end. Where that fails they wait.
func (s *Source) revoke(id clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(s.ctx, closeTimeout)
	defer cancel()
	_, _ = s.client.Revoke(ctx, id)
}

// arm has sweep run at the given time at the latest, and soon in any case: no timer
// fires when the wall clock jumps. Caller holds mu.
func (s *Source) arm(at time.Time) {
	if check := time.Now().Add(lease.WallCheck); check.Before(at) {
		at = check
	}
	if s.closed || !s.armed.IsZero() && !at.Before(s.armed) {
		return
	}
	s.armed = at
	if s.timer == nil {
		s.timer = time.AfterFunc(time.Until(at), s.sweep)
	} else {
		s.timer.Reset(time.Until(at))
	}
}

// sweep ends what may not be relied on any more. It is called by a timer and asks
// nobody, so that a cluster that hangs cannot delay it.
func (s *Source) sweep() {
	s.lock()
	defer s.unlock()
	if s.closed {
		return
	}
	s.armed = time.Time{}
	now := time.Now()
	wall := s.cfg.wall(now)
	if x := s.session; x != nil && x.lease.Over(now, wall) {
		s.die(x, errExpired)
	}
	for c := range s.held {
		if until := c.until(); lease.Passed(until, now, wall) {
			c.runOut()
		} else {
			s.arm(until)
		}
	}
	if x := s.session; x != nil {
		s.arm(x.lease.Guard())
	}
}

// leaseIsGone reports whether etcd said that a lease is over.
func leaseIsGone(err error) bool { return errors.Is(err, rpctypes.ErrLeaseNotFound) }
