package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// watchPause is how long nobody asks for a watch again after one has failed.
const watchPause = 100 * time.Millisecond

// watch sees that the line is watched. There is one watch for all that wait in it.
// Caller holds mu.
func (s *Source) watch(ln *line) {
	if ln.stop != nil {
		return
	}
	ctx, stop := context.WithCancel(s.ctx)
	ln.stop = stop
	s.spawn(func() {
		defer stop()
		for {
			s.follow(ctx, ln)
			if !sleep(ctx, watchPause) {
				return
			}
		}
	})
}

// follow watches a line until that fails, for example because the cluster was
// compacted beyond what was seen. The watch begins now and not in the past, of which
// etcd tells only ten times a second; so the line is read once the watch is there.
func (s *Source) follow(ctx context.Context, ln *line) {
	ctx, again := context.WithCancel(ctx)
	defer again()
	s.lock()
	ln.again, ln.silent = again, 0
	s.unlock()
	late := time.AfterFunc(s.cfg.timeout, again)
	defer late.Stop()
	for r := range s.client.Watch(ctx, ln.prefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify()) {
		switch {
		case r.Err() != nil:
			return
		case r.Created:
			late.Stop()
			if !s.read(ctx, ln) {
				return
			}
		default:
			s.saw(ctx, ln, r.Events)
		}
	}
}

// read reads the whole line, and reports whether that worked.
func (s *Source) read(ctx context.Context, ln *line) bool {
	within, cancel := s.cfg.within(ctx)
	defer cancel()
	r, err := s.client.Get(within, ln.prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return false
	}
	var places []place
	paused := false
	for _, kv := range r.Kvs {
		p, pause := ln.placeOf(kv)
		paused = paused || pause
		if p.limit > 0 {
			places = append(places, p)
		}
	}
	s.lock()
	defer s.unlock()
	if ctx.Err() != nil || r.Header.Revision < ln.picture.rev {
		return ctx.Err() == nil // nobody wants it any more, or more is known already
	}
	ln.picture.load(r.Header.Revision, places, paused)
	for id := range ln.claims {
		s.judge(ln, id)
	}
	s.advance(ln, time.Now())
	return true
}

// placeOf returns what a key of the line says: a place, whose limit is not 0, or a
// pause, or neither.
func (ln *line) placeOf(kv *mvccpb.KeyValue) (p place, pause bool) {
	id := string(kv.Key)
	limit, _ := limitOf(ln.prefix, id)
	return place{id: id, limit: limit, created: kv.CreateRevision, lease: kv.Lease}, id == pauseOf(ln.prefix)
}

// saw takes what the watch tells.
func (s *Source) saw(ctx context.Context, ln *line, events []*clientv3.Event) {
	changes := make([]change, 0, len(events))
	for _, e := range events {
		p, pause := ln.placeOf(e.Kv)
		if pause || p.limit > 0 {
			changes = append(changes, change{place: p, pause: pause, removed: e.Type == clientv3.EventTypeDelete, rev: e.Kv.ModRevision})
		}
	}
	s.lock()
	defer s.unlock()
	if ctx.Err() != nil || ln.picture.rev == 0 {
		return // what is read next has it
	}
	ln.silent = 0
	// Who has lost a slot is told before anybody is granted it.
	for _, id := range ln.picture.apply(changes) {
		s.judge(ln, id)
	}
	s.advance(ln, time.Now())
}
