package etcd

import "container/heap"

// numbers are those by which the claims of one lease in one line are told apart.
// They are used again: each key that was ever used costs every look at the line,
// until etcd is compacted.
//
// Invariant: a number that take returns is in nobody's hands, and the key that it
// stands for is known to be gone.
type numbers struct {
	free intHeap
	next int // this one and those above were never used
}

// take returns the n smallest, in their order.
func (ns *numbers) take(n int) []int {
	taken := make([]int, 0, n)
	for len(taken) < n && len(ns.free) > 0 {
		taken = append(taken, heap.Pop(&ns.free).(int))
	}
	for len(taken) < n {
		taken = append(taken, ns.next)
		ns.next++
	}
	return taken
}

// put gives one back whose key is gone.
func (ns *numbers) put(n int) { heap.Push(&ns.free, n) }

// inUse returns how many are out.
func (ns *numbers) inUse() int { return ns.next - len(ns.free) }

type intHeap []int

func (h intHeap) Len() int           { return len(h) }
func (h intHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h intHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *intHeap) Push(v any)        { *h = append(*h, v.(int)) }

func (h *intHeap) Pop() any {
	old := *h
	n := old[len(old)-1]
	*h = old[:len(old)-1]
	return n
}
