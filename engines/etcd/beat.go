package etcd

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berth-go/berth/internal/lease"
)

// pace says when leases are renewed: after a third, and 7 s at the latest, so that
// a holder learns soon what was done to its slot.
var pace = lease.Pace{Ratio: 1, Longest: 7 * time.Second}

// shortestAnswer is the least time that a request of a beat is given.
const shortestAnswer = 500 * time.Millisecond

// lineIdle is for how long a line is watched that nobody waits in any more.
const lineIdle = 5 * time.Second

// keep renews a session until it is dead.
func (s *Source) keep(x *session) {
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	for at := s.due(x); ; {
		timer := time.NewTimer(time.Until(at))
		select {
		case <-x.ended:
			timer.Stop()
			return
		case <-timer.C:
		}
		if s.beat(ctx, x) {
			at = s.due(x)
		} else {
			at = time.Now().Add(retryPause)
		}
	}
}

func (s *Source) due(x *session) time.Time {
	s.lock()
	defer s.unlock()
	return pace.Due(x.lease)
}

// beat renews the lease and looks whether what hangs on it is still there.
func (s *Source) beat(ctx context.Context, x *session) bool {
	from := time.Now()
	err := s.renew(ctx, x, from)
	if err == nil {
		err = s.check(ctx, x, from)
	}
	s.traceRenewed(x, time.Since(from), err)
	s.tidy(ctx, x)
	return err == nil
}

// answerIn returns a context for a request of a beat. It is short, so that there is
// time for several before the guard: the client sends each to another member, and one
// that hangs keeps what it gets.
func (s *Source) answerIn(ctx context.Context, x *session) (context.Context, context.CancelFunc) {
	s.lock()
	defer s.unlock()
	return context.WithTimeout(ctx, min(pace.Answer(x.lease), max(x.lease.Length/10, shortestAnswer)))
}

// renew sets the lease anew.
func (s *Source) renew(ctx context.Context, x *session, from time.Time) error {
	ctx, cancel := s.answerIn(ctx, x)
	defer cancel()
	length, err := s.keepAlive(ctx, x.id)
	s.lock()
	defer s.unlock()
	switch {
	case err == nil:
		x.lease = lease.Lease{From: from, Length: length}
	case leaseIsGone(err):
		s.die(x, errNoLease)
	}
	return err
}

// keepAlive asks once, and not again and again without a pause while nothing can be
// reached, as the client's KeepAliveOnce does.
func (s *Source) keepAlive(ctx context.Context, id clientv3.LeaseID) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the stream
	defer cancel()
	stream, err := s.leases.LeaseKeepAlive(ctx)
	if err != nil {
		return 0, rpctypes.Error(err)
	}
	if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(id)}); err != nil {
		return 0, rpctypes.Error(err)
	}
	r, err := stream.Recv()
	if err != nil {
		return 0, rpctypes.Error(err)
	}
	if r.TTL <= 0 {
		return 0, rpctypes.ErrLeaseNotFound
	}
	return time.Duration(r.TTL) * time.Second, nil
}

// check looks whether the keys of all claims are as they were put. It asks the
// cluster and not just one member: a leader that has been replaced could say so of a
// key that hangs on another lease by now.
func (s *Source) check(ctx context.Context, x *session, from time.Time) error {
	ctx, cancel := s.answerIn(ctx, x)
	defer cancel()
	for part := range slices.Chunk(s.inEtcd(x), maxOps) {
		var conditions []clientv3.Cmp
		var ask []clientv3.Op
		for _, c := range part {
			conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(c.id), "=", c.created))
			ask = append(ask, clientv3.OpGet(c.id))
		}
		r, err := s.client.Txn(ctx).If(conditions...).Else(ask...).Commit()
		if err != nil {
			return err
		}
		s.checked(part, r, from)
	}
	return nil
}

// A checked claim is what check has to know of one; none of it changes.
type checkedClaim struct {
	*claim
	id      string
	created int64
}

// inEtcd returns the claims whose keys are known to be in etcd, on the session's
// lease.
func (s *Source) inEtcd(x *session) (claims []checkedClaim) {
	s.lock()
	defer s.unlock()
	for c := range x.claims {
		if c.created > 0 && c.own == nil {
			claims = append(claims, checkedClaim{c, c.id, c.created})
		}
	}
	return claims
}

// checked takes the answer to check.
func (s *Source) checked(claims []checkedClaim, r *clientv3.TxnResponse, from time.Time) {
	s.lock()
	defer s.unlock()
	for i, cc := range claims {
		c := cc.claim
		if c.state == stateDone || c.own != nil {
			continue
		}
		fine := r.Succeeded || s.verdict(c, firstPlace(c.line.prefix, r.Responses[i].GetResponseRange()))
		if fine && from.After(c.seen) {
			c.seen = from
		}
	}
}

// firstPlace returns the place in an answer, or the zero place if there is none.
func firstPlace(prefix string, r *etcdserverpb.RangeResponse) (p place) {
	if len(r.Kvs) > 0 {
		p, _ = placeOf(prefix, r.Kvs[0])
	}
	return p
}

// lookAround does what belongs to each beat and not to the lease, which may not wait
// for it: it looks whether watches have missed something, at pauses and at versions.
func (s *Source) lookAround(ctx context.Context, x *session) {
	for part := range slices.Chunk(s.linesInUse(x), maxOps/2) {
		within, cancel := s.cfg.within(ctx)
		var ops []clientv3.Op
		for _, ln := range part {
			ops = append(ops, clientv3.OpGet(pauseOf(ln.prefix)), clientv3.OpGet(ln.prefix+claimPart, clientv3.WithPrefix(),
				clientv3.WithKeysOnly(), clientv3.WithLimit(1), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortDescend)))
		}
		r, err := s.client.Txn(within).Then(ops...).Commit()
		cancel()
		if err != nil {
			break
		}
		for i, ln := range part {
			pause, last := r.Responses[2*i].GetResponseRange(), r.Responses[2*i+1].GetResponseRange()
			if w := s.missed(ln, r.Header.Revision, pause, last); w != nil {
				s.read(ctx, w)
			}
		}
	}
	s.askVersions()
}

// linesInUse returns the lines with claims.
func (s *Source) linesInUse(x *session) (lines []*line) {
	s.lock()
	defer s.unlock()
	for _, ln := range x.lines {
		if len(ln.claims) > 0 {
			lines = append(lines, ln)
		}
	}
	return lines
}

// missed takes what etcd has of a line, and returns the watch that has not told of it.
// A member that hangs, for example, tells its watches nothing. As many places with
// the same last one are the same places: who comes has a higher revision than all
// others.
func (s *Source) missed(ln *line, rev int64, pause, last *etcdserverpb.RangeResponse) *watch {
	s.lock()
	defer s.unlock()
	var until time.Time
	if len(pause.Kvs) > 0 {
		until = timeOf(pause.Kvs[0].Value)
	}
	for _, c := range ln.claims {
		c.pausedUntil = until
	}
	w := ln.watch
	if w == nil || ln.picture.rev == 0 || ln.picture.rev >= rev {
		return nil
	}
	newest := int64(0)
	if len(last.Kvs) > 0 {
		newest = last.Kvs[0].CreateRevision
	}
	if int(last.Count) == len(ln.picture.places) && newest == ln.picture.newest() && ln.picture.paused == (pause.Count > 0) {
		w.silent = 0
		return nil
	}
	// It can be under way. If nothing comes until the next beat, the watch is dead.
	w.silent++
	if w.silent > 1 {
		w.again()
	}
	return w
}

// tidy forgets lines that nobody uses, and has done what need not be done now.
func (s *Source) tidy(ctx context.Context, x *session) {
	s.lock()
	defer s.unlock()
	for name, ln := range x.lines {
		if ln.queued == 0 && ln.watch != nil && time.Since(ln.idle) > lineIdle {
			ln.unwatch()
		}
		if len(ln.claims) == 0 && ln.numbers.inUse() == 0 && ln.watch == nil {
			delete(x.lines, name)
		}
	}
	s.moveAgain()
	if !x.looking {
		x.looking = true
		s.spawn(func() {
			s.lookAround(ctx, x)
			s.lock()
			x.looking = false
			s.unlock()
		})
	}
}

// traceRenewed tells the holders whose claims are traced.
func (s *Source) traceRenewed(x *session, took time.Duration, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	s.lock()
	defer s.unlock()
	for c := range s.held {
		if c.line.session != x || c.own != nil || c.trace == nil || c.trace.Renewed == nil {
			continue
		}
		s.later = append(s.later, func() { s.cfg.call("slot.Trace.Renewed", func() { c.trace.Renewed(took, err) }) })
	}
}
