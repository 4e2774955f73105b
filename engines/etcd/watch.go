package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// watchPause is how long nobody asks for a watch again after one has failed.
const watchPause = 100 * time.Millisecond

// A watch is told by etcd of what happens in a line. There is one for all the claims
// of a source that wait there.
type watch struct {
	line *line
	ctx  context.Context // ends with stop
	stop context.CancelFunc

	// Guarded by the source's mu.
	again  context.CancelFunc // has it begin anew
	silent int                // how many beats in turn have missed something
}

// watchLine sees that a line is watched. Caller holds mu.
func (s *Source) watchLine(ln *line) {
	if ln.watch != nil {
		return
	}
	w := &watch{line: ln}
	w.ctx, w.stop = context.WithCancel(s.ctx)
	ln.watch = w
	s.spawn(func() {
		defer w.stop()
		for {
			s.follow(w)
			if !sleep(w.ctx, watchPause) {
				return
			}
		}
	})
}

// follow watches a line until that fails, for example because the cluster was
// compacted beyond what was seen. The watch begins now and not in the past, of which
// etcd tells only ten times a second; so the line is read once the watch is there.
func (s *Source) follow(w *watch) {
	ctx, again := context.WithCancel(w.ctx)
	defer again()
	s.lock()
	w.again, w.silent = again, 0
	s.unlock()
	late := time.AfterFunc(s.cfg.timeout, again)
	defer late.Stop()
	for r := range s.client.Watch(ctx, w.line.prefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify()) {
		switch {
		case r.Err() != nil:
			return
		case r.Created:
			late.Stop()
			if !s.read(ctx, w) {
				return
			}
		default:
			s.saw(w, r.Events)
		}
	}
}

// read reads the whole line, and reports whether that worked.
func (s *Source) read(ctx context.Context, w *watch) bool {
	ln := w.line
	within, cancel := s.cfg.within(ctx)
	defer cancel()
	r, err := s.client.Get(within, ln.prefix, clientv3.WithPrefix()) // keys alone come without their leases
	if err != nil {
		return false
	}
	var places []place
	paused := false
	for _, kv := range r.Kvs {
		p, pause := placeOf(ln.prefix, kv)
		paused = paused || pause
		if p.limit > 0 {
			places = append(places, p)
		}
	}
	s.lock()
	defer s.unlock()
	if ln.watch != w || r.Header.Revision < ln.picture.rev {
		return true // nobody wants it any more, or more is known already
	}
	ln.picture.load(r.Header.Revision, places, paused)
	for id := range ln.claims {
		s.judge(ln, id)
	}
	s.advance(ln, time.Now())
	return true
}

// placeOf returns what a key of a line says: a place, whose limit is not 0, or a pause,
// or neither.
func placeOf(prefix string, kv *mvccpb.KeyValue) (p place, pause bool) {
	id := string(kv.Key)
	limit, _ := limitOf(prefix, id)
	return place{
		id: id, limit: limit, created: kv.CreateRevision, lease: kv.Lease, changed: kv.ModRevision != kv.CreateRevision,
	}, id == pauseOf(prefix)
}

// saw takes what the watch tells.
func (s *Source) saw(w *watch, events []*clientv3.Event) {
	ln := w.line
	changes := make([]change, 0, len(events))
	for _, e := range events {
		p, pause := placeOf(ln.prefix, e.Kv)
		if pause || p.limit > 0 {
			changes = append(changes, change{place: p, pause: pause, removed: e.Type == clientv3.EventTypeDelete, rev: e.Kv.ModRevision})
		}
	}
	s.lock()
	defer s.unlock()
	if ln.watch != w {
		return
	}
	w.silent = 0
	// Who has lost a slot is told before anybody is granted it.
	for _, id := range ln.picture.apply(changes) {
		s.judge(ln, id)
	}
	s.advance(ln, time.Now())
}
