package dashboard

import "container/heap"

// lately is the last few of many, the oldest first.
type lately[E any] struct {
	most int
	all  []E // a ring once it is full
	next int // the oldest then
}

func (l *lately[E]) add(e E) {
	if len(l.all) < l.most {
		l.all = append(l.all, e)
		return
	}
	l.all[l.next] = e
	l.next = (l.next + 1) % l.most
}

// each calls f for each, in no order, until it returns false.
func (l *lately[E]) each(f func(*E) bool) {
	for i := range l.all {
		if !f(&l.all[i]) {
			return
		}
	}
}

// newestFirst returns a copy.
func (l *lately[E]) newestFirst() []E {
	out := make([]E, 0, len(l.all))
	for i := range l.all {
		out = append(out, l.all[(l.next+len(l.all)-1-i)%len(l.all)])
	}
	return out
}

// A top is the first few of many in an order.
type top[E any] struct {
	most   int
	before func(a, b E) bool
	all    []E // a heap, the last one on top
}

func (t *top[E]) Len() int           { return len(t.all) }
func (t *top[E]) Less(i, j int) bool { return t.before(t.all[j], t.all[i]) }
func (t *top[E]) Swap(i, j int)      { t.all[i], t.all[j] = t.all[j], t.all[i] }
func (t *top[E]) Push(e any)         { t.all = append(t.all, e.(E)) }
func (t *top[E]) Pop() any {
	last := t.all[len(t.all)-1]
	t.all = t.all[:len(t.all)-1]
	return last
}

func (t *top[E]) add(e E) {
	switch {
	case len(t.all) < t.most:
		heap.Push(t, e)
	case t.most > 0 && t.before(e, t.all[0]):
		t.all[0] = e
		heap.Fix(t, 0)
	}
}

// inOrder returns them, and nothing is left.
func (t *top[E]) inOrder() []E {
	out := make([]E, len(t.all))
	for i := range out {
		out[len(out)-1-i] = heap.Pop(t).(E)
	}
	return out
}
