package sched

// A ring is a queue in a circular buffer whose length is a power of two. The
// zero ring is empty.
type ring[E any] struct {
	buf  []E
	head int // of the first element
	n    int
}

const (
	smallestRing = 4
	// largestKept is the longest buffer that an empty ring keeps.
	largestKept = 1024
)

func (r *ring[E]) push(v E) {
	if r.n == len(r.buf) {
		r.grow(1)
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

// pushFront pushes an element before the first one.
func (r *ring[E]) pushFront(v E) {
	if r.n == len(r.buf) {
		r.grow(1)
	}
	r.head = (r.head - 1) & (len(r.buf) - 1)
	r.buf[r.head] = v
	r.n++
}

// pushAll pushes the elements of vs in their order.
func (r *ring[E]) pushAll(vs []E) {
	if r.n+len(vs) > len(r.buf) {
		r.grow(len(vs))
	}
	tail := (r.head + r.n) & (len(r.buf) - 1)
	k := copy(r.buf[tail:], vs)
	copy(r.buf, vs[k:])
	r.n += len(vs)
}

// first returns the first element of a ring that is not empty.
func (r *ring[E]) first() E { return r.buf[r.head] }

// at returns element i, counted from the first.
func (r *ring[E]) at(i int) E { return r.buf[(r.head+i)&(len(r.buf)-1)] }

// pop takes the first element of a ring that is not empty.
func (r *ring[E]) pop() E {
	var zero E
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.n--
	r.head = (r.head + 1) & (len(r.buf) - 1)
	if r.n == 0 && len(r.buf) > largestKept {
		*r = ring[E]{}
	}
	return v
}

// popInto takes the first elements into a slice, as many as there are and as fit
// in, and returns their number.
func (r *ring[E]) popInto(into []E) int {
	n := min(len(into), r.n)
	k := copy(into[:n], r.buf[r.head:])
	clear(r.buf[r.head : r.head+k])
	copy(into[k:n], r.buf)
	clear(r.buf[:n-k])
	r.n -= n
	r.head = (r.head + n) & max(0, len(r.buf)-1)
	if r.n == 0 && len(r.buf) > largestKept {
		*r = ring[E]{}
	}
	return n
}

// grow makes room for k more elements.
func (r *ring[E]) grow(k int) {
	size := max(smallestRing, len(r.buf))
	for size < r.n+k {
		size *= 2
	}
	next := make([]E, size)
	first := copy(next, r.buf[r.head:])
	copy(next[first:], r.buf[:r.head])
	r.buf, r.head = next, 0
}

// keep drops every element for which f is false, in place.
func (r *ring[E]) keep(f func(E) bool) {
	kept, mask := 0, len(r.buf)-1
	for i := range r.n {
		if v := r.buf[(r.head+i)&mask]; f(v) {
			r.buf[(r.head+kept)&mask] = v
			kept++
		}
	}
	var zero E
	for i := kept; i < r.n; i++ {
		r.buf[(r.head+i)&mask] = zero
	}
	r.n = kept
}
