package etcd

import clientv3 "go.etcd.io/etcd/client/v3"

// settle finds out what became of keys of transactions whose outcome is not known,
// and removes those that are there. Putting the session's key in the same transaction
// is what makes the answer final.
func (s *Source) settle(x *session) {
	s.lock()
	keys := x.doubt[:min(len(x.doubt), maxOps-1)]
	s.unlock()
	ctx, cancel := s.cfg.within(s.ctx)
	defer cancel()
	ops := []clientv3.Op{s.putSession(x)}
	for _, k := range keys {
		ops = append(ops, clientv3.OpGet(k.id, clientv3.WithKeysOnly()))
	}
	r, err := s.client.Txn(ctx).Then(ops...).Commit()
	var f failure
	if err != nil {
		f = s.failed(ctx, err)
	}
	s.lock()
	defer s.unlock()
	x.settling = false
	switch {
	case x.dead:
		// Nothing of it is left, whatever the answer.
	case err != nil && leaseIsGone(err):
		s.die(x, errNoLease)
	case err != nil:
		s.failPending(f.err)
		s.pause(x)
	default:
		x.epoch = r.Header.Revision
		x.doubt = x.doubt[len(keys):]
		for i, k := range keys {
			if r.Responses[i+1].GetResponseRange().Count > 0 {
				s.remove(k)
			} else {
				k.line.numbers.put(k.number)
			}
		}
	}
}
