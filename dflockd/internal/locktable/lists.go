package locktable

// queue is the line of a lock.
type queue struct {
	first, last *claim
	len         int
}

func (q *queue) add(cl *claim) {
	cl.linePrev = q.last
	if q.last == nil {
		q.first = cl
	} else {
		q.last.lineNext = cl
	}
	q.last = cl
	q.len++
}

func (q *queue) remove(cl *claim) {
	if cl.linePrev == nil {
		q.first = cl.lineNext
	} else {
		cl.linePrev.lineNext = cl.lineNext
	}
	if cl.lineNext == nil {
		q.last = cl.linePrev
	} else {
		cl.lineNext.linePrev = cl.linePrev
	}
	cl.lineNext, cl.linePrev = nil, nil
	q.len--
}

// claimList is what a connection owns, latest first.
type claimList struct {
	first *claim
	len   int
}

func (l *claimList) add(cl *claim) {
	cl.ownedNext = l.first
	if l.first != nil {
		l.first.ownedPrev = cl
	}
	l.first = cl
	l.len++
}

func (l *claimList) remove(cl *claim) {
	if cl.ownedPrev == nil {
		l.first = cl.ownedNext
	} else {
		cl.ownedPrev.ownedNext = cl.ownedNext
	}
	if cl.ownedNext != nil {
		cl.ownedNext.ownedPrev = cl.ownedPrev
	}
	cl.ownedNext, cl.ownedPrev = nil, nil
	l.len--
}

// dueHeap is a binary heap of claims by at, the earliest first. Claims know
// their index, so that they can leave from the middle. At the same moment
// leases end before waits do: a slot that is free by then is still granted.
type dueHeap []*claim

func (h *dueHeap) add(cl *claim) {
	cl.heap = int32(len(*h))
	*h = append(*h, cl)
	h.up(len(*h) - 1)
}

// remove takes cl out if it is in.
func (h *dueHeap) remove(cl *claim) {
	if cl.heap < 0 {
		return
	}
	i, last := int(cl.heap), len(*h)-1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	cl.heap = -1
	if i < last {
		h.down(i)
		h.up(i)
	}
	h.shrink()
}

// shrink gives memory back after a peak.
func (h *dueHeap) shrink() {
	if cap(*h) > 1024 && len(*h) < cap(*h)/4 {
		*h = append(make(dueHeap, 0, cap(*h)/2), *h...)
	}
}

func (h dueHeap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(i, parent) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h dueHeap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if right := child + 1; right < len(h) && h.less(right, child) {
			child = right
		}
		if !h.less(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}

func (h dueHeap) less(i, j int) bool {
	a, b := h[i], h[j]
	return a.at < b.at || a.at == b.at && a.state == stateHeld && b.state == stateWaiting
}

func (h dueHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heap, h[j].heap = int32(i), int32(j)
}
