package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berth-go/berth/internal/lease"
)

// This file has what becomes of a slot whose holder does not stop: its key moves to a
// lease of its own, which nobody renews. Until it has moved, the slot lives on the
// session's lease, as before.

// abandon begins to move a slot. Caller holds mu.
func (s *Source) abandon(c *claim) {
	if c.state != stateTaken || c.abandoned {
		return
	}
	c.abandoned = true
	s.unmoved = append(s.unmoved, c)
	s.moveAgain()
}

// moveAgain sees that somebody moves what has not moved. Caller holds mu.
func (s *Source) moveAgain() {
	if len(s.unmoved) > 0 && !s.moving && !s.closed {
		s.moving = true
		s.spawn(func() {
			s.moveAll(s.ctx)
			s.lock()
			s.moving = false
			s.unlock()
		})
	}
}

// moveAll moves what is to be moved, and leaves what fails for the next beat.
func (s *Source) moveAll(ctx context.Context) {
	s.lock()
	defer s.unlock()
	list := s.unmoved
	s.unmoved = nil
	for i, c := range list {
		if c.state != stateTaken {
			continue
		}
		s.unlock()
		err := s.moveOne(ctx, c)
		s.lock()
		if err != nil {
			s.unmoved = append(s.unmoved, list[i:]...)
			return
		}
	}
}

// moveOne moves one slot. Done again after a failure, it has the same outcome.
func (s *Source) moveOne(ctx context.Context, c *claim) error {
	within, cancel := s.cfg.within(ctx)
	defer cancel()
	id, err := s.ownLease(within, c)
	if err != nil {
		return err
	}
	value := record{s.cfg.name, c.asked, c.position}.String()
	r, err := s.client.Txn(within).
		If(clientv3.Compare(clientv3.ModRevision(c.id), "=", c.created)).
		Then(clientv3.OpPut(c.id, value, clientv3.WithLease(id))).
		Else(clientv3.OpGet(c.id)).
		Commit()
	if err != nil && !leaseIsGone(err) {
		return err
	}
	s.lock()
	defer s.unlock()
	if err != nil { // it took too long to get there
		c.moveTo = 0
		return err
	}
	switch {
	case c.state == stateDone: // released meanwhile
	case r.Succeeded:
		s.moved(c)
	default:
		s.verdict(c, firstPlace(c.line.prefix, r.Responses[0].GetResponseRange()))
	}
	return nil
}

// ownLease returns the lease for a slot, and asks for it where there is none yet.
func (s *Source) ownLease(ctx context.Context, c *claim) (clientv3.LeaseID, error) {
	s.lock()
	id := c.moveTo
	s.unlock()
	if id != 0 {
		return id, nil
	}
	from := time.Now()
	r, err := s.client.Grant(ctx, int64(c.line.session.length/time.Second))
	if err != nil {
		return 0, err
	}
	s.lock()
	defer s.unlock()
	c.moveTo, c.moveLease = r.ID, lease.Lease{From: from, Length: time.Duration(r.TTL) * time.Second}
	s.arm(c.moveLease.Guard())
	return c.moveTo, nil
}

// moved notes that the slot hangs on a lease of its own. Caller holds mu.
func (s *Source) moved(c *claim) {
	c.own = &c.moveLease
}
