package locktable

import (
	"container/heap"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/trace"
)

// A pause lets nothing be granted of a key for a while. It outlives those who hold
// or wait for the key; while there is one for a lock, that is among its delays.
type pause struct {
	key   string
	until time.Duration
	index int // in Table.pauses
}

// pauses are a heap, the first to end in front, and a map.
type pauses struct {
	heap  pauseHeap
	byKey map[string]*pause
}

// maxPauses is how many keys may be paused at once.
const maxPauses = 10_000

// Pause lets nothing be granted of key for d, which is more than 0. A pause that
// ends later stays.
func (t *Table) Pause(now time.Duration, key []byte, d time.Duration) Result {
	t.begin(now)
	until := after(t.now, d)
	p := t.pauses.byKey[string(key)]
	switch {
	case p != nil && p.until < until:
		p.until = until
		heap.Fix(&t.pauses.heap, p.index)
	case p != nil:
	case len(t.pauses.heap) >= maxPauses:
		return MaxPauses.refusal()
	default:
		if t.pauses.byKey == nil {
			t.pauses.byKey = map[string]*pause{}
		}
		p = &pause{key: string(key), until: until}
		t.pauses.byKey[p.key] = p
		heap.Push(&t.pauses.heap, p)
		if l := t.keys.get(key); l != nil {
			l.delay |= delayPause
		}
	}
	t.notePause(p)
	return Result{Status: wire.OK}
}

// EndPause ends the pause of key, if there is one.
func (t *Table) EndPause(now time.Duration, key []byte) Result {
	t.begin(now)
	if p := t.pauses.byKey[string(key)]; p != nil {
		t.resume(p)
	}
	return Result{Status: wire.OK}
}

// resume ends a pause and serves who waited for its end.
func (t *Table) resume(p *pause) {
	heap.Remove(&t.pauses.heap, p.index)
	delete(t.pauses.byKey, p.key)
	t.notePauseEnd(p)
	if l := t.keys.get([]byte(p.key)); l != nil {
		l.delay &^= delayPause
		t.serve(l)
	}
}

// resumeAll ends the pauses whose time is over.
func (t *Table) resumeAll() {
	for len(t.pauses.heap) > 0 && t.pauses.heap[0].until <= t.now {
		t.resume(t.pauses.heap[0])
	}
}

// pausedFor returns for how long nothing more is granted of a key.
func (t *Table) pausedFor(key string) time.Duration {
	if p := t.pauses.byKey[key]; p != nil {
		return p.until - t.now
	}
	return 0
}

// Concerned reports whether c waits for key or holds a slot of it, or the token is
// that of somebody who does.
func (t *Table) Concerned(now time.Duration, c *Conn, key []byte, token wire.Token) bool {
	t.begin(now)
	if t.holder(key, token) != nil {
		return true
	}
	for cl := c.claims.first; cl != nil; cl = cl.ownedNext {
		if cl.origin.has(live) && cl.lock.key == string(key) {
			return true
		}
	}
	return false
}

// Revoke has the slot of key with this fence not be renewed any more, so that it is
// free when its lease ends.
func (t *Table) Revoke(now time.Duration, key []byte, fence uint64) Result {
	t.begin(now)
	cl := t.tokens.fenced(key, fence)
	if cl == nil {
		return Result{Status: wire.ErrorNoHolder}
	}
	t.note(trace.Revoke, cl)
	cl.origin |= revoked
	return Result{Status: wire.OK}
}

// pauseHeap is for package heap.
type pauseHeap []*pause

func (h pauseHeap) Len() int           { return len(h) }
func (h pauseHeap) Less(i, j int) bool { return h[i].until < h[j].until }
func (h pauseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push adds x.
func (h *pauseHeap) Push(x any) {
	p := x.(*pause)
	p.index = len(*h)
	*h = append(*h, p)
}

// Pop removes the last one.
func (h *pauseHeap) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return p
}
