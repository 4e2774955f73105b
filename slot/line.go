package slot

import (
	"container/list"

	"golang.org/x/sync/semaphore"
)

// A line is the slots of one semaphore, those who hold them and the tickets that
// wait. The weighted semaphore counts the slots. It cannot keep the line as well:
// its Acquire takes a place and waits for the slot in one step, and a ticket has to
// do the first without the second.
//
// Each claim has a limit, which is kept while its slot is held: the first in line
// is granted a slot if fewer are held than his limit, and than that of each holder.
//
// Invariant: if somebody waits, the first in line may not be granted a slot, so one
// that comes back goes to him and never to a newcomer.
type line struct {
	name    string
	free    *semaphore.Weighted // of capacity slots, held of which are taken
	holders slotList
	waiting list.List // of *localTicket, the first to be granted in front
	users   int       // slots held and tickets waiting

	capacity int         // what the next grant is judged by, or how many are held if that is more
	limit    int         // the smallest of the holders
	limits   map[int]int // how many hold with each limit; nil: all have the same
}

func newLine(name string, limit int) *line {
	return &line{name: name, limit: limit, capacity: limit, free: semaphore.NewWeighted(int64(limit))}
}

// room returns how many may be held if the next grant is one with this limit.
func (ln *line) room(limit int) int {
	if ln.holders.len == 0 {
		return limit
	}
	return min(limit, ln.limit)
}

// takeFree takes a slot for the next claim, which has this limit, if it may be
// granted one.
func (ln *line) takeFree(limit int) bool {
	held := ln.holders.len
	if capacity := max(ln.room(limit), held); capacity != ln.capacity {
		ln.capacity = capacity
		ln.free = semaphore.NewWeighted(int64(capacity))
		ln.free.TryAcquire(int64(held))
	}
	return ln.free.TryAcquire(1)
}

// first returns the first ticket in line, or nil.
func (ln *line) first() *localTicket {
	if e := ln.waiting.Front(); e != nil {
		return e.Value.(*localTicket)
	}
	return nil
}

// hold notes that s holds a slot, which takeFree took.
func (ln *line) hold(s *localSlot) {
	switch {
	case ln.limits != nil:
	case ln.holders.len == 0:
		ln.limit = s.limit
	case s.limit != ln.limit:
		ln.limits = map[int]int{ln.limit: ln.holders.len}
	}
	if ln.limits != nil {
		ln.limits[s.limit]++
		ln.limit = min(ln.limit, s.limit)
	}
	ln.holders.add(s)
}

// putBack frees the slot of s.
func (ln *line) putBack(s *localSlot) {
	ln.holders.remove(s)
	ln.free.Release(1)
	if ln.limits == nil {
		return
	}
	if ln.limits[s.limit]--; ln.limits[s.limit] == 0 {
		delete(ln.limits, s.limit)
		ln.findLeast()
	}
}

// findLeast finds the smallest limit anew. It costs as much as holders have
// different limits.
func (ln *line) findLeast() {
	first := true
	for n := range ln.limits {
		if first || n < ln.limit {
			ln.limit = n
		}
		first = false
	}
	if len(ln.limits) <= 1 {
		ln.limits = nil
	}
}

// A slotList is the slots of a line that are held, in the order of their grants.
type slotList struct {
	first, last *localSlot
	len         int
}

func (l *slotList) add(s *localSlot) {
	if s.prev = l.last; s.prev == nil {
		l.first = s
	} else {
		s.prev.next = s
	}
	l.last = s
	l.len++
}

func (l *slotList) remove(s *localSlot) {
	if s.prev == nil {
		l.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
	l.len--
}
