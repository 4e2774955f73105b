package sched

// A heap is a priority queue whose elements know where they are in it, so that
// one can be taken out or moved.
type heap[E any] struct {
	all    []E
	before func(a, b E) bool
	place  func(e E, i int) // e is at i now
}

func (h *heap[E]) push(e E) {
	h.all = append(h.all, e)
	h.up(len(h.all) - 1)
}

// remove takes out the element at i.
func (h *heap[E]) remove(i int) E {
	var zero E
	last := len(h.all) - 1
	e := h.all[i]
	h.all[i], h.all[last] = h.all[last], zero
	h.all = h.all[:last]
	if i < last {
		h.fix(i)
	}
	if last == 0 && cap(h.all) > largestKept {
		h.all = nil
	}
	return e
}

// fix moves the element at i to where it belongs.
func (h *heap[E]) fix(i int) {
	h.down(i)
	h.up(i)
}

func (h *heap[E]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.before(h.all[i], h.all[parent]) {
			break
		}
		h.swap(i, parent)
		i = parent
	}
	h.place(h.all[i], i)
}

func (h *heap[E]) down(i int) {
	for {
		least := 2*i + 1
		if least >= len(h.all) {
			break
		}
		if right := least + 1; right < len(h.all) && h.before(h.all[right], h.all[least]) {
			least = right
		}
		if !h.before(h.all[least], h.all[i]) {
			break
		}
		h.swap(i, least)
		i = least
	}
	h.place(h.all[i], i)
}

func (h *heap[E]) swap(i, j int) {
	h.all[i], h.all[j] = h.all[j], h.all[i]
	h.place(h.all[i], i)
	h.place(h.all[j], j)
}
