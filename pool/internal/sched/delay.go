package sched

import "time"

// A delay is a job that waits for its time: one that backs off, or that was
// submitted for later.
type delay[J Job] struct {
	at  time.Duration
	seq int64 // of equal times, the one that was asked for first comes first
	Request[J]
}

func (d *delay[J]) before(other *delay[J]) bool {
	return d.at < other.at || d.at == other.at && d.seq < other.seq
}

// delays is a heap, the earliest first, whose entries know where they are.
type delays[J Job] []delay[J]

func (h *delays[J]) push(d delay[J]) {
	*h = append(*h, d)
	h.up(len(*h) - 1)
}

// remove takes out the entry of an index.
func (h *delays[J]) remove(i int) delay[J] {
	s := *h
	d, last := s[i], len(s)-1
	d.Job.Node().move(nowhere)
	s[i] = s[last]
	s[last] = delay[J]{}
	*h = s[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
	if cap(*h) > largestKept && len(*h) == 0 {
		*h = nil
	}
	return d
}

func (h delays[J]) place(i int) { h[i].Job.Node().delayedAt(i) }

func (h delays[J]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h[i].before(&h[parent]) {
			break
		}
		h[parent], h[i] = h[i], h[parent]
		h.place(i)
		i = parent
	}
	h.place(i)
}

func (h delays[J]) down(i int) {
	for {
		least := 2*i + 1
		if least >= len(h) {
			break
		}
		if right := least + 1; right < len(h) && h[right].before(&h[least]) {
			least = right
		}
		if !h[least].before(&h[i]) {
			break
		}
		h[i], h[least] = h[least], h[i]
		h.place(i)
		i = least
	}
	h.place(i)
}
