package pool

import (
	"iter"
	"time"

	"github.com/berth-go/berth/pool/internal/sched"
)

// A Lane is what a lane was like at one moment.
type Lane struct {
	// Key is the lane's, SlotKey what the slots of its jobs are claimed with,
	// which other lanes may have too.
	Key, SlotKey string
	// Queued is how many jobs stand in it, without those that a worker has taken
	// and those that wait for their time. Blocked is how many submitters wait for
	// room in it.
	Queued, Blocked int
	// Oldest is since when the job could have started that has stood in it for
	// longest, and OldestName the name of that. They are zero in a pool without
	// hooks, for which nobody takes the time, and where no job stands in the lane.
	Oldest     time.Time
	OldestName string
	// WaitsFor is what the next job of the slot key waits for now.
	WaitsFor WaitReason
	// Limit is how many slots of the slot key there are, 0 if that is not known.
	// Held is how many of them this pool has, and InLine how many of its claims
	// wait for one.
	Limit, Held, InLine int
}

// lanesAtOnce is how many lanes are looked at before others have the pool's lock
// again: a few microseconds' worth.
const lanesAtOnce = 128

// Lanes yields each lane that has a job, or a submitter that waits for room, in no
// order. It looks at so many at a time that the pool is never held up for long,
// however many there are, so that they are not all of one moment: a lane that comes
// or goes meanwhile may be left out. The loop may do as it likes.
func (p *Pool) Lanes() iter.Seq[Lane] {
	return func(yield func(Lane) bool) {
		some := make([]Lane, 0, lanesAtOnce)
		p.lock()
		for v := range p.core.Views {
			if some = append(some, laneOf(v)); len(some) < lanesAtOnce {
				continue
			}
			p.unlock()
			if !each(some, yield) {
				return
			}
			some = some[:0]
			p.lock()
		}
		p.unlock()
		each(some, yield)
	}
}

func each(lanes []Lane, yield func(Lane) bool) bool {
	for _, l := range lanes {
		if !yield(l) {
			return false
		}
	}
	return true
}

// laneOf is called with mu held, so that nobody starts the jobs meanwhile.
func laneOf(v sched.LaneView[item]) Lane {
	l := Lane{
		Key: v.Key, SlotKey: v.Slot, Queued: v.Queued, Blocked: v.Blocked,
		WaitsFor: waitReasons[v.Waits], Limit: v.Limit, Held: v.Held, InLine: v.InLine,
	}
	for _, it := range v.Fronts {
		if it.task == nil {
			continue
		}
		m := it.task.more()
		if m == nil || m.ready.IsZero() {
			continue
		}
		if l.Oldest.IsZero() || m.ready.Before(l.Oldest) {
			l.Oldest, l.OldestName = m.ready, m.name
		}
	}
	return l
}
