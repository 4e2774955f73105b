package locktable

import (
	"container/heap"
	"time"

	"github.com/berth-go/berth/internal/gcra"
)

// This file has claims with a pace. The first in line is granted a slot when its limit
// allows, as ever, and the clock of its key besides: see package gcra. Nobody passes him
// meanwhile. Claims without a pace do not touch the clock, and keys that have had no claim
// with one have none.
//
// Claims of a key may have different paces. There is one clock: each grant uses up the
// interval of its own claim.

// A clock is that of a key. It outlives those who hold or wait for the key, until it is as
// good as new.
//
// Invariant: it is in the heap, at a time when there is something to do for it, unless it
// rests and claims wait for something else than for it.
type clock struct {
	gcra.Clock
	key   string
	paces map[*claim]gcra.Pace // of those who wait
	at    time.Duration        // when there is something to do
	index int                  // in the heap; -1: not in it
}

// clocks are a heap, the first with something to do in front, and a map.
type clocks struct {
	heap  clockHeap
	byKey map[string]*clock
}

// maxClocks is for how many keys there may be one. Those of keys that are idle count until
// they are as good as new.
const maxClocks = 100_000

// A delay is why the slots of a lock that are free may have to wait for a time.
type delay uint8

const (
	delayPause delay = 1 << iota // it is in the table's pauses
	delayClock                   // a claim with a pace waits in its line
)

func (d delay) has(bit delay) bool { return d&bit != 0 }

// delayed reports whether nothing is granted of l now, to whom of it waits first. If that
// is for the clock, the clock has him served. It is called for those l that have a delay.
func (t *Table) delayed(l *lock) bool {
	if l.delay.has(delayPause) {
		return true
	}
	if l.head == nil || !l.head.origin.has(paced) {
		return false
	}
	c := t.clocks.byKey[l.key]
	ready := c.Ready(c.paces[l.head])
	if ready <= t.now {
		return false
	}
	t.clocks.arm(c, ready)
	return true
}

// ready reports whether the clock of a key lets a new claim of this pace go.
func (t *Table) ready(key string, p gcra.Pace) bool {
	c := t.clocks.byKey[key]
	return c == nil || c.Ready(p) <= t.now
}

// pace gives a new claim its pace.
func (t *Table) pace(cl *claim, p gcra.Pace) {
	cl.origin |= paced
	c := t.clocks.byKey[cl.lock.key]
	if c == nil {
		c = &clock{key: cl.lock.key, paces: map[*claim]gcra.Pace{}, index: -1}
		if t.clocks.byKey == nil {
			t.clocks.byKey = map[string]*clock{}
		}
		t.clocks.byKey[c.key] = c
	}
	c.paces[cl] = p
	cl.lock.delay |= delayClock
}

// unpace takes its pace from a claim that waits no more, and uses up the clock if it is
// because of a grant.
func (t *Table) unpace(cl *claim, granted bool) {
	c := t.clocks.byKey[cl.lock.key]
	if granted {
		c.Take(t.now, c.paces[cl])
		t.clocks.arm(c, c.Rests())
	}
	delete(c.paces, cl)
	if len(c.paces) == 0 {
		cl.lock.delay &^= delayClock
		t.clocks.dropIfNew(c, t.now)
	}
}

// tick does what is due of the clocks: the first in line goes, or the clock is forgotten.
func (t *Table) tick() {
	for len(t.clocks.heap) > 0 && t.clocks.heap[0].at <= t.now {
		c := heap.Pop(&t.clocks.heap).(*clock)
		if l := t.keys.get([]byte(c.key)); l != nil && l.delay.has(delayClock) {
			t.serve(l)
		}
		if c.index < 0 && c.Rests() > t.now {
			t.clocks.arm(c, c.Rests())
		}
		t.clocks.dropIfNew(c, t.now)
	}
}

// arm has something done for c at a time.
func (s *clocks) arm(c *clock, at time.Duration) {
	c.at = at
	if c.index < 0 {
		heap.Push(&s.heap, c)
	} else {
		heap.Fix(&s.heap, c.index)
	}
}

// dropIfNew forgets a clock that is as good as new and that nobody waits for.
func (s *clocks) dropIfNew(c *clock, now time.Duration) {
	if len(c.paces) > 0 || c.Rests() > now || s.byKey[c.key] != c {
		return
	}
	if c.index >= 0 {
		heap.Remove(&s.heap, c.index)
	}
	delete(s.byKey, c.key)
}

// clockHeap is for package heap.
type clockHeap []*clock

func (h clockHeap) Len() int           { return len(h) }
func (h clockHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h clockHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push adds x.
func (h *clockHeap) Push(x any) {
	c := x.(*clock)
	c.index = len(*h)
	*h = append(*h, c)
}

// Pop removes the last one.
func (h *clockHeap) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	c.index = -1
	return c
}
