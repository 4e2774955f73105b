package sched

import "time"

// A Cause is what a job waits for.
type Cause uint8

// What a job waits for.
const (
	ForNothing Cause = iota
	// ForWorker: its slot is there, or would be asked for if a worker were free.
	ForWorker
	// ForPlace: there was no free slot, and other slots' claims have all places
	// in line that there may be.
	ForPlace
	// ForSlot: a claim waits in line, or the core has all slots that there are.
	ForSlot
	// ForEngine: claims are refused.
	ForEngine
	waitKinds
)

// waits is for how long each was waited for.
type waits [waitKinds]time.Duration

// longest returns what was waited for longest, or other if nothing was.
func (w *waits) longest(other Cause) Cause {
	for kind := ForWorker; kind < waitKinds; kind++ {
		if w[kind] > 0 && (other == ForNothing || w[kind] > w[other]) {
			other = kind
		}
	}
	return other
}

// waitsFor returns what the next job of a quota waits for.
func (q *quota[J]) waitsFor() Cause {
	switch {
	case q.n == 0:
		return ForNothing
	case q.failed != Never:
		return ForEngine
	case q.claims[granted] > 0:
		return ForWorker
	case q.claims[asking]+q.claims[waiting] > 0, q.limit > 0 && q.claims[serving] >= q.limit:
		return ForSlot
	case q.want == crowded:
		return ForPlace
	}
	return ForWorker
}

// noteWait takes note of what the jobs of a quota have waited for until now.
func (c *Core[J]) noteWait(q *quota[J]) {
	q.waited[q.wait] += c.now - q.waitAt
	q.wait, q.waitAt = q.waitsFor(), c.now
}

// beginWait notes what jobs have waited for before a claim.
func (c *Core[J]) beginWait(cl *Claim[J]) {
	q := cl.quota
	c.noteWait(q)
	cl.begun, cl.before = c.now, q.waited.longest(q.lastWait)
}

// endWait begins anew, as a claim is in line or has its slot: what was waited for
// before it explains no later claim, but for one that is made at the same time.
func (c *Core[J]) endWait(cl *Claim[J]) {
	q := cl.quota
	q.waited, q.waitAt, q.lastWait = waits{}, c.now, cl.before
}

// Waited returns what a job has waited for longest that could have begun at one
// time and begins now, under the claim:
//
//	ready ── whatever its key waited for ── claim ── slot ── granted ── worker ── now
//
// Under a slot that has served another job it is the reason why the core had no
// second one for it that stands in the place of the worker.
func (cl *Claim[J]) Waited(ready, now time.Duration) Cause {
	begun := min(max(cl.begun, ready), now)
	granted := min(max(cl.granted, begun), now)
	var w waits
	w[cl.before] += begun - ready
	w[ForSlot] += granted - begun
	w[cl.after] += now - granted
	return w.longest(ForNothing)
}
