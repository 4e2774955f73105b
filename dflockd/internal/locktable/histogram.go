package locktable

import "time"

// bounds are the upper ends of a histogram's buckets. They span what a claim
// may take: from a grant at once to a job of an hour.
var bounds = [...]time.Duration{
	time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 5 * time.Minute, 30 * time.Minute, time.Hour,
}

// Bounds returns the upper ends of the buckets, each included in its own. What
// is over the last is in one bucket more.
func Bounds() []time.Duration { return bounds[:] }

// A Histogram counts how long something took.
type Histogram struct {
	// Buckets hold how many were within each of Bounds and over the one
	// before; the last one how many were over all.
	Buckets [len(bounds) + 1]uint64
	Sum     time.Duration
}

func (h *Histogram) add(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.Buckets[i]++
	h.Sum += d
}

// Count returns how many were counted.
func (h *Histogram) Count() (n uint64) {
	for _, b := range h.Buckets {
		n += b
	}
	return n
}
