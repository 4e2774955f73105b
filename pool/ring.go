package pool

// An item is a queued job: a task, or a bare job from Go.
type item struct {
	job  Job
	task *Task
}

// ring is a queue in a circular buffer whose size is a power of two. The zero
// ring is empty.
type ring[T any] struct {
	buf  []T
	head int // of the first element
	n    int
}

const (
	smallestRing = 4
	// largestKept is the largest buffer that an empty ring keeps.
	largestKept = 1024
)

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		r.grow(1)
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

// pushAll pushes the elements of vs in their order.
func (r *ring[T]) pushAll(vs []T) {
	if r.n+len(vs) > len(r.buf) {
		r.grow(len(vs))
	}
	tail := (r.head + r.n) & (len(r.buf) - 1)
	k := copy(r.buf[tail:], vs)
	copy(r.buf, vs[k:])
	r.n += len(vs)
}

// pushFront puts v before all others.
func (r *ring[T]) pushFront(v T) {
	if r.n == len(r.buf) {
		r.grow(1)
	}
	r.head = (r.head - 1) & (len(r.buf) - 1)
	r.buf[r.head] = v
	r.n++
}

// first returns the first element of a ring that is not empty.
func (r *ring[T]) first() T { return r.buf[r.head] }

// pop takes the first element of a ring that is not empty.
func (r *ring[T]) pop() T {
	var zero T
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.popped(1)
	return v
}

// popInto takes the first elements, as many as there are or as into has room
// for, and returns how many.
func (r *ring[T]) popInto(into []T) int {
	k := min(r.n, len(into))
	end := min(r.head+k, len(r.buf))
	first := copy(into, r.buf[r.head:end])
	clear(r.buf[r.head:end])
	clear(r.buf[:copy(into[first:k], r.buf)])
	r.popped(k)
	return k
}

// popped counts k elements that were taken from the front.
func (r *ring[T]) popped(k int) {
	r.n -= k
	if r.n == 0 && len(r.buf) > largestKept {
		*r = ring[T]{}
		return
	}
	r.head = (r.head + k) & (len(r.buf) - 1)
}

// grow makes room for k more elements.
func (r *ring[T]) grow(k int) {
	size := max(smallestRing, len(r.buf))
	for size < r.n+k {
		size *= 2
	}
	next := make([]T, size)
	first := copy(next, r.buf[r.head:])
	copy(next[first:], r.buf[:r.head])
	r.buf, r.head = next, 0
}

// keep drops every element for which f is false, in place.
func (r *ring[T]) keep(f func(T) bool) {
	kept := 0
	mask := len(r.buf) - 1
	for i := range r.n {
		if v := r.buf[(r.head+i)&mask]; f(v) {
			r.buf[(r.head+kept)&mask] = v
			kept++
		}
	}
	var zero T
	for i := kept; i < r.n; i++ {
		r.buf[(r.head+i)&mask] = zero
	}
	r.n = kept
}
