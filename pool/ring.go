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
		r.grow()
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

// pushFront puts v before all others.
func (r *ring[T]) pushFront(v T) {
	if r.n == len(r.buf) {
		r.grow()
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
	r.head = (r.head + 1) & (len(r.buf) - 1)
	if r.n--; r.n == 0 && len(r.buf) > largestKept {
		*r = ring[T]{}
	}
	return v
}

func (r *ring[T]) grow() {
	next := make([]T, max(smallestRing, 2*len(r.buf)))
	k := copy(next, r.buf[r.head:])
	copy(next[k:], r.buf[:r.head])
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
