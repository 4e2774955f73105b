package check

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// An Interval is a time in which a holder held a slot of a key. Its end does
// not belong to it: one that ends when another begins does not overlap it.
type Interval struct {
	Key, Holder string
	Limit       int // what it was claimed with; for Excesses
	Start, End  time.Time
}

// An Overlap is a time in which more held slots of a key than may.
type Overlap struct {
	Key      string
	From, To time.Time
	Holders  []string // all that held a slot in the whole of that time
}

// Length returns how long the overlap lasted.
func (o Overlap) Length() time.Duration { return o.To.Sub(o.From) }

// String describes the overlap in a line.
func (o Overlap) String() string {
	return fmt.Sprintf("%q: %d held for %v from %v: %v",
		o.Key, len(o.Holders), o.Length(), o.From.Format("15:04:05.000000"), o.Holders)
}

// Overlaps returns the times in which more than n held slots of the same key,
// one for each change of who did, in the order of time within each key.
func Overlaps(n int, intervals []Interval) []Overlap {
	return overlaps(intervals, func(map[int]bool, []Interval) int { return n })
}

// Excesses returns the times in which more held slots of the same key than the
// limit of one of them, as Overlaps does.
func Excesses(intervals []Interval) []Overlap {
	return overlaps(intervals, func(holding map[int]bool, ivs []Interval) int {
		least := math.MaxInt
		for i := range holding {
			least = min(least, ivs[i].Limit)
		}
		return least
	})
}

// overlaps returns the times in which more held slots of a key than most says of
// those that do.
func overlaps(intervals []Interval, most func(holding map[int]bool, ivs []Interval) int) []Overlap {
	byKey := map[string][]Interval{}
	for _, iv := range intervals {
		byKey[iv.Key] = append(byKey[iv.Key], iv)
	}
	var found []Overlap
	for key, ivs := range byKey {
		found = append(found, sweep(key, ivs, most)...)
	}
	slices.SortFunc(found, func(a, b Overlap) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), a.From.Compare(b.From))
	})
	return found
}

// sweep walks over the starts and ends of one key's intervals in order of time.
func sweep(key string, ivs []Interval, most func(map[int]bool, []Interval) int) []Overlap {
	type edge struct {
		at    time.Time
		index int
		start bool
	}
	var edges []edge
	for i, iv := range ivs {
		if iv.Start.Before(iv.End) {
			edges = append(edges, edge{iv.Start, i, true}, edge{iv.End, i, false})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })
	var found []Overlap
	holding := map[int]bool{}
	for i, e := range edges {
		if e.start {
			holding[e.index] = true
		} else {
			delete(holding, e.index)
		}
		if i+1 < len(edges) && len(holding) > most(holding, ivs) && e.at.Before(edges[i+1].at) {
			o := Overlap{Key: key, From: e.at, To: edges[i+1].at}
			for h := range holding {
				o.Holders = append(o.Holders, ivs[h].Holder)
			}
			slices.Sort(o.Holders)
			found = append(found, o)
		}
	}
	return found
}

// Longest returns the length of the longest time without a break in which more
// than the limit held slots of one key, given what Overlaps returned.
func Longest(overlaps []Overlap) time.Duration {
	var longest time.Duration
	var from time.Time
	for i, o := range overlaps {
		if i == 0 || overlaps[i-1].Key != o.Key || !overlaps[i-1].To.Equal(o.From) {
			from = o.From
		}
		longest = max(longest, o.To.Sub(from))
	}
	return longest
}

// A Recorder notes intervals. It is safe for concurrent use; the zero Recorder
// is empty.
type Recorder struct {
	mu   sync.Mutex // guards what follows; held for an append only
	done []Interval
	open map[*Interval]struct{}
	peak int
}

// Begin notes that holder holds a slot of key from now until ctx ends, or the
// function that it returns is called, whichever is first. That function must
// be called.
func (r *Recorder) Begin(ctx context.Context, key, holder string) (end func()) {
	return r.BeginWith(ctx, key, holder, 0)
}

// BeginWith is Begin of a slot that was claimed with a limit.
func (r *Recorder) BeginWith(ctx context.Context, key, holder string, limit int) (end func()) {
	iv := &Interval{Key: key, Holder: holder, Limit: limit, Start: time.Now()}
	r.mu.Lock()
	if r.open == nil {
		r.open = map[*Interval]struct{}{}
	}
	r.open[iv] = struct{}{}
	r.peak = max(r.peak, len(r.open))
	r.mu.Unlock()
	finish := sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		iv.End = time.Now()
		delete(r.open, iv)
		r.done = append(r.done, *iv)
	})
	stop := context.AfterFunc(ctx, finish)
	return func() {
		stop()
		finish()
	}
}

// Intervals returns what has ended, and what has not as if it ended now.
func (r *Recorder) Intervals() []Interval {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.done)
	for iv := range r.open {
		all = append(all, Interval{Key: iv.Key, Holder: iv.Holder, Limit: iv.Limit, Start: iv.Start, End: time.Now()})
	}
	return all
}

// Peak returns the most intervals that were open at once, of all keys.
func (r *Recorder) Peak() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peak
}
