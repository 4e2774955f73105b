package etcd

import (
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berth-go/berth/internal/errs"
)

// This file has how claims and removals get to etcd: those that are under way
// together go into one transaction, which costs the cluster hardly more than one of
// them alone.

const (
	// maxFlights is how many transactions are under way at once.
	maxFlights = 2
	// maxOps is how many operations one has, of the 128 that etcd takes by default.
	maxOps = 100
	// maxTries is how often a claim is sent that another transaction came before.
	maxTries = 5
	// retryPause is how long nothing is sent after a failure.
	retryPause = 200 * time.Millisecond
)

// An op is what a transaction carries: a claim, or the removal of a key.
type op struct {
	claim *claim // nil: a removal
	key   keyName
}

// push has an op sent. Caller holds mu.
func (s *Source) push(o op) {
	s.pending = append(s.pending, o)
	s.kick()
}

// kick sees that what is pending is sent. The goroutine mostly begins when its maker
// waits: so a release and the claim that follows it share a transaction. Caller holds
// mu.
func (s *Source) kick() {
	if len(s.pending) > 0 {
		s.launch()
	}
}

// launch has one goroutine more send, if there may be one. Caller holds mu.
func (s *Source) launch() {
	if s.flights < maxFlights && !s.closed {
		s.flights++
		s.spawn(s.fly)
	}
}

// remove has the key of a claim removed that was carried out. The end of a session
// removes its keys by itself. Caller holds mu.
func (s *Source) remove(k keyName) {
	if !k.line.session.dead {
		s.push(op{key: k})
	}
}

// fly sends until nothing is left that can be sent. Who holds that up sends it when
// it is done.
func (s *Source) fly() {
	s.lock()
	defer s.unlock()
	for step := s.next(); step != nil; step = s.next() {
		s.unlock()
		step()
		s.lock()
	}
	s.flights--
}

// next returns what is to be done next, or nil. Caller holds mu.
func (s *Source) next() func() {
	x := s.session
	switch {
	case s.closed:
		return nil
	case x == nil:
		s.pending = slices.DeleteFunc(s.pending, func(o op) bool { return o.claim == nil || o.claim.state == stateDone })
		if s.opening || len(s.pending) == 0 {
			return nil
		}
		s.opening = true
		return s.open
	case x.settling || time.Now().Before(x.retryAt):
		return nil
	case len(x.doubt) > 0:
		x.settling = true
		return func() { s.settle(x) }
	case len(s.pending) == 0:
		return nil
	}
	if b := s.compose(x); b != nil {
		return func() { s.commit(b) }
	}
	return nil
}

// failPending ends the claims that were not sent. Caller holds mu.
func (s *Source) failPending(why error) {
	s.pending = slices.DeleteFunc(s.pending, func(o op) bool {
		if o.claim != nil {
			o.claim.finish(s.wrap("claim", o.claim.name, why))
		}
		return o.claim != nil
	})
}

// pause has nothing sent for a moment, and then what is left: removals that failed and
// keys whose fate is not known do not wait for the next claim. Caller holds mu.
func (s *Source) pause(x *session) {
	x.retryAt = time.Now().Add(retryPause)
	s.after(retryPause, func() {
		s.lock()
		defer s.unlock()
		s.launch()
	})
}

// A batch is what one transaction carries.
type batch struct {
	session  *session
	epoch    int64
	removals []keyName
	lines    []*joining
	sent     time.Time
}

// joining are the claims of a batch for one line, in the order of their keys.
type joining struct {
	line   *line
	claims []*claim
	look   int // the index of the answer that tells of the line
}

// compose takes as much as one transaction can carry from what is pending, or returns
// nil if nothing can be sent now. A claim waits until removals of its line that are
// under way have been answered, so that it sees what was released before it. Caller
// holds mu.
func (s *Source) compose(x *session) *batch {
	b := &batch{session: x, epoch: x.epoch}
	by := make(map[*line]*joining)
	ops := 0
	var rest []op
	for _, o := range s.pending {
		switch {
		case o.claim == nil && o.key.line.session != x, o.claim != nil && o.claim.state == stateDone:
			// The lease was revoked, or nobody wants it any more.
		case ops+2 > maxOps:
			rest = append(rest, o)
		case o.claim == nil:
			b.removals = append(b.removals, o.key)
			ops++
		default:
			ln := s.lineOf(x, o.claim.name)
			if ln.removing > 0 {
				rest = append(rest, o)
				continue
			}
			if by[ln] == nil {
				by[ln] = &joining{line: ln}
				b.lines = append(b.lines, by[ln])
				ops++
			}
			by[ln].claims = append(by[ln].claims, o.claim)
			ops++
		}
	}
	s.pending = rest
	if ops == 0 {
		return nil
	}
	for _, k := range b.removals {
		k.line.removing++
	}
	for _, j := range b.lines {
		j.name(x)
	}
	return b
}

// name gives the claims their keys, whose order is that of the claims. Caller holds
// mu.
func (j *joining) name(x *session) {
	slices.SortStableFunc(j.claims, func(a, b *claim) int { return a.limit - b.limit })
	for i, n := range j.line.numbers.take(len(j.claims)) {
		c := j.claims[i]
		c.entry = entry{keyName: keyName{j.line, n, claimID(j.line.prefix, c.limit, int64(x.id), n)}, position: i}
		j.line.note(c)
	}
}

// commit sends a batch and takes the answer.
func (s *Source) commit(b *batch) {
	ctx, cancel := s.cfg.within(s.ctx)
	defer cancel()
	conditions, ops := s.transaction(b)
	b.sent = time.Now()
	r, err := s.client.Txn(ctx).If(conditions...).Then(ops...).Commit()
	now := time.Now()
	var f failure
	if err != nil {
		f = s.failed(ctx, err)
	}
	s.lock()
	defer s.unlock()
	for _, k := range b.removals {
		k.line.removing--
	}
	switch {
	case err != nil && leaseIsGone(err):
		s.die(b.session, errNoLease)
	case err != nil:
		s.batchFailed(b, f)
	case !r.Succeeded:
		s.batchRefused(b)
	default:
		s.batchDone(b, r, now)
	}
}

// transaction returns what a batch is in words of etcd. What is removed goes first,
// then the line is looked at, then the claims join it.
func (s *Source) transaction(b *batch) (conditions []clientv3.Cmp, ops []clientv3.Op) {
	conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(s.cfg.keys.session(int64(b.session.id))), "=", b.epoch))
	for _, k := range b.removals {
		ops = append(ops, clientv3.OpDelete(k.id))
	}
	for _, j := range b.lines {
		j.look = len(ops)
		ops = append(ops, clientv3.OpGet(j.line.prefix, lookAtLine()...))
		for _, c := range j.claims {
			// A key that is there would keep its place in line.
			conditions = append(conditions, clientv3.Compare(clientv3.Version(c.id), "=", 0))
			value := record{s.cfg.name, c.asked, c.position}.String()
			ops = append(ops, clientv3.OpPut(c.id, value, clientv3.WithLease(b.session.id)))
		}
	}
	return conditions, ops
}

// lookAtLine are the options of a request that tells a line's tail: the first two
// keys, and how many there are.
func lookAtLine() []clientv3.OpOption {
	return []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(2)}
}

// tailOf reads the answer to such a request.
func tailOf(prefix string, r *etcdserverpb.RangeResponse) (t tail) {
	t.ahead = int(r.Count)
	for _, kv := range r.Kvs {
		if string(kv.Key) == pauseOf(prefix) {
			t.paused = true
			t.ahead--
		} else if n, ok := limitOf(prefix, string(kv.Key)); ok {
			t.smallest = n
			break
		}
	}
	return t
}

// batchDone takes the answer to a batch that was carried out. Caller holds mu.
func (s *Source) batchDone(b *batch, r *clientv3.TxnResponse, now time.Time) {
	for _, k := range b.removals {
		k.line.numbers.put(k.number)
	}
	for _, j := range b.lines {
		t := tailOf(j.line.prefix, r.Responses[j.look].GetResponseRange())
		for _, c := range j.claims {
			c.created, c.seen, c.ahead = r.Header.Revision, b.sent, t.waiting()
			var granted bool
			t, granted = t.join(c.limit)
			c.place(granted, now)
		}
	}
}

// batchFailed takes the news that a batch was not carried out, or that nobody knows.
// Caller holds mu.
func (s *Source) batchFailed(b *batch, f failure) {
	x := b.session
	for _, j := range b.lines {
		for _, c := range j.claims {
			if f.applied {
				x.doubt = append(x.doubt, c.keyName)
			} else {
				j.line.numbers.put(c.number)
			}
			c.finish(s.wrap("claim", c.name, f.err))
		}
	}
	if f.applied {
		x.doubt = append(x.doubt, b.removals...)
		return
	}
	s.again(nil, b.removals)
	s.pause(x)
}

// batchRefused takes the news that the session's key or one of the claims' is not as
// it should be, and has the batch sent again. Caller holds mu.
func (s *Source) batchRefused(b *batch) {
	x := b.session
	var claims []*claim
	for _, j := range b.lines {
		for _, c := range j.claims {
			if b.epoch == x.epoch {
				x.doubt = append(x.doubt, c.keyName) // it may be the one that is there
			} else {
				j.line.numbers.put(c.number) // the session's key was put since
			}
			if c.state == stateDone {
				continue
			}
			j.line.forget(c)
			c.entry = entry{}
			c.tries++
			claims = append(claims, c)
		}
	}
	if b.epoch == x.epoch && len(claims) == 0 {
		x.doubt = append(x.doubt, b.removals...)
		b.removals = nil
	}
	s.again(claims, b.removals)
}

// again puts what was not carried out in front of what is pending. Caller holds mu.
func (s *Source) again(claims []*claim, removals []keyName) {
	var ops []op
	for _, k := range removals {
		ops = append(ops, op{key: k})
	}
	for _, c := range claims {
		if c.tries >= maxTries {
			c.finish(s.wrap("claim", c.name, errs.Unavailable(errCrossed)))
			continue
		}
		ops = append(ops, op{claim: c})
	}
	s.pending = append(ops, s.pending...)
	s.kick()
}
