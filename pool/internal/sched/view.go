package sched

// A LaneView is what a lane is like at one moment.
type LaneView[J Job] struct {
	Key, Slot string
	Queued    int // live jobs
	Blocked   int // submitters that wait for room
	// Fronts are the first jobs of the priorities that have any. The slice is good
	// until the next view.
	Fronts []J

	Waits               Cause // what the next job of its quota waits for
	Limit, Held, InLine int   // of its quota
}

// Views yields a view of each lane that has a job, or a submitter that waits for
// room, in no order. Other events may come between one view and the next: a lane
// that is there all the time is viewed once, one that comes or goes meanwhile once
// or not.
func (c *Core[J]) Views(yield func(LaneView[J]) bool) {
	var fronts []J
	for _, l := range c.lanes { // a map may change while it is ranged over
		if l.n == 0 && l.waiters.n == 0 {
			continue // it is kept for what may come back of a batch, or for ever
		}
		fronts = c.appendFronts(fronts[:0], l)
		if !yield(c.view(l, fronts)) {
			return
		}
	}
}

func (c *Core[J]) view(l *lane[J], fronts []J) LaneView[J] {
	q := l.quota
	v := LaneView[J]{Key: l.key, Queued: l.n, Blocked: l.waiters.n, Fronts: fronts, Waits: ForWorker}
	if c.cfg.Slots {
		v.Slot, v.Waits, v.Limit = q.name, q.waitsFor(), q.limit
		v.Held, v.InLine = q.claims[granted]+q.claims[serving], q.claims[waiting]
	}
	return v
}

// appendFronts adds the first live job of each level.
func (c *Core[J]) appendFronts(fronts []J, l *lane[J]) []J {
	for _, lv := range l.levels {
		if lv.n == 0 {
			continue
		}
		c.skipTombstones(lv)
		if len(lv.back) > 0 {
			fronts = append(fronts, lv.back[0].jobs[0])
		} else {
			fronts = append(fronts, lv.queue.first())
		}
	}
	return fronts
}
