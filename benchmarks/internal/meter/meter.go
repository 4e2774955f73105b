// Package meter counts what a benchmark did, so that a fast figure cannot come
// from work that was not done.
package meter

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// shards is a power of two well above the number of goroutines that run at the
// same moment, so that two of them rarely share a counter.
const shards = 256

// Jobs counts jobs exactly. Add costs a few nanoseconds even when many
// goroutines count at once, so that counting every job does not drown what is
// measured. The zero value is ready to use.
type Jobs struct {
	counters [shards]struct {
		n atomic.Int64
		_ [56]byte // a cache line each
	}
}

// Add counts one job. It picks its counter by the address of the calling
// goroutine's stack: goroutines that run at once have different stacks. Two
// that meet on one counter cost each other time, never a count.
func (j *Jobs) Add() {
	var here byte
	j.counters[(uintptr(unsafe.Pointer(&here))>>11)%shards].n.Add(1)
}

// Total returns how many jobs were counted.
func (j *Jobs) Total() int64 {
	var total int64
	for i := range j.counters {
		total += j.counters[i].n.Load()
	}
	return total
}

// Check returns an error unless exactly want jobs were counted.
func (j *Jobs) Check(want int64) error {
	if got := j.Total(); got != want {
		return fmt.Errorf("ran %d jobs, should have run %d", got, want)
	}
	return nil
}

// A Gate watches how many jobs are inside it at once.
type Gate struct {
	limit             int64
	inside, most, ran atomic.Int64
}

// NewGate returns a gate that allows limit jobs at once.
func NewGate(limit int) *Gate { return &Gate{limit: int64(limit)} }

// Enter counts a job in.
func (g *Gate) Enter() {
	now := g.inside.Add(1)
	for {
		most := g.most.Load()
		if now <= most || g.most.CompareAndSwap(most, now) {
			return
		}
	}
}

// Leave counts a job out.
func (g *Gate) Leave() {
	g.inside.Add(-1)
	g.ran.Add(1)
}

// Ran returns how many jobs have left.
func (g *Gate) Ran() int64 { return g.ran.Load() }

// Most returns how many jobs were inside at once at most.
func (g *Gate) Most() int64 { return g.most.Load() }

// Check returns an error if there were ever more jobs inside than the limit,
// if some are still there, or if the number that passed is not want.
func (g *Gate) Check(want int64) error {
	if most := g.most.Load(); most > g.limit {
		return fmt.Errorf("%d jobs ran at once, the limit is %d", most, g.limit)
	}
	if inside := g.inside.Load(); inside != 0 {
		return fmt.Errorf("%d jobs never ended", inside)
	}
	if ran := g.ran.Load(); ran != want {
		return fmt.Errorf("ran %d jobs, should have run %d", ran, want)
	}
	return nil
}
