package sched

import (
	"slices"
	"sort"
	"time"
)

// A lane is the queue of the jobs of one key. It exists while it has a job, a
// submitter that waits for room, or a batch that may come back.
type lane[J Job] struct {
	key    string
	quota  *quota[J]   // with whom it takes turns
	levels []*level[J] // by priority, the most urgent last; each has a job or a batch
	n      int         // live jobs

	next, prev *lane[J] // in the circle of the quota's lanes that have jobs

	waiters ring[*Submitter[J]]
	blocked bool // it is on the list of lanes that wait for room in all
}

// A level holds the jobs of one priority in the order of their submits.
//
// Invariant: the runs of back are in order and before the jobs of queue. So a
// job that was handed out in a batch and came back is where it would be had it
// stayed.
type level[J Job] struct {
	lane       *lane[J]
	priority   int
	back       []run[J] // what came back of batches
	queue      ring[J]
	first      int64               // the number of the first job of queue
	since      ring[time.Duration] // when each job of queue came; kept only where priorities age
	n          int                 // live jobs in both
	tombstones int                 // jobs in both that were removed
	out        int                 // batches of it that workers have
}

// A run is what came back of a batch. Its jobs count from first on, whatever
// their numbers were: that leaves them before those that were handed out later.
type run[J Job] struct {
	first int64
	since time.Duration
	jobs  []J
}

// level returns the level of a priority, making it if there is none.
func (c *Core[J]) level(l *lane[J], priority int) *level[J] {
	i := sort.Search(len(l.levels), func(i int) bool { return l.levels[i].priority >= priority })
	if i < len(l.levels) && l.levels[i].priority == priority {
		return l.levels[i]
	}
	lv := c.spareLevels.get()
	lv.lane, lv.priority = l, priority
	l.levels = slices.Insert(l.levels, i, lv)
	return lv
}

// spares are things that are needed again before long: lanes come and go with
// their jobs.
type spares[E any] struct{ all []*E }

// mostSpares is how many things are kept at most.
const mostSpares = 1024

func (s *spares[E]) get() *E {
	k := len(s.all)
	if k == 0 {
		return new(E)
	}
	e := s.all[k-1]
	s.all[k-1] = nil
	s.all = s.all[:k-1]
	return e
}

func (s *spares[E]) put(e *E) {
	if len(s.all) < mostSpares {
		s.all = append(s.all, e)
	}
}

// push adds jobs at the end of a level.
func (c *Core[J]) push(lv *level[J], jobs ...J) {
	lv.queue.pushAll(jobs)
	for _, job := range jobs {
		move(job, inLane)
	}
	if c.cfg.Aging > 0 {
		for range jobs {
			lv.since.push(c.now)
		}
	}
	c.count(lv, len(jobs))
}

// count takes note of k live jobs more in a level, or less. It is the only place
// that does.
func (c *Core[J]) count(lv *level[J], k int) {
	l := lv.lane
	q := l.quota
	if l.n == 0 {
		q.link(l)
	}
	if q.n == 0 {
		q.since = c.now
	}
	lv.n += k
	l.n += k
	q.n += k
	c.queued += k
	if l.n == 0 {
		q.unlink(l)
	}
	if c.cfg.Slots {
		c.unneeded(q)
		c.review(q)
	}
	if c.queued == 0 && c.draining {
		c.noteDrained()
	}
}

// mostUrgent returns the level whose turn it is in a lane that has a job.
func (c *Core[J]) mostUrgent(l *lane[J]) *level[J] {
	var best *level[J]
	for i := len(l.levels) - 1; i >= 0; i-- {
		lv := l.levels[i]
		switch {
		case lv.n == 0:
		case c.cfg.Aging == 0:
			return lv
		case best == nil || c.due(lv) < c.due(best):
			best = lv
		}
	}
	if best == nil {
		panic("bug: a lane that counts a job has none")
	}
	return best
}

// due orders the levels of a lane where priorities age: a job that has waited
// for cfg.Aging longer counts as one priority more.
func (c *Core[J]) due(lv *level[J]) float64 {
	c.skipTombstones(lv)
	_, since, _ := lv.front()
	return float64(since)/float64(c.cfg.Aging) - float64(lv.priority)
}

// take moves the first live jobs of a level into a slice, which it fills if it
// can. It takes from one run or from the queue, not from both, so that nothing
// that others have was submitted in between. It returns how many it took, the
// number of the first, and when that was queued, where that is kept.
func (c *Core[J]) take(lv *level[J], into []J) (k int, first int64, since time.Duration) {
	c.skipTombstones(lv)
	first, since, left := lv.front()
	if len(lv.back) == 0 && lv.tombstones == 0 && lv.since.n == 0 {
		k = lv.queue.popInto(into) // as nearly always
		lv.first += int64(k)
	} else {
		for ; k < len(into) && left > 0; left-- {
			if job, alive := c.pop(lv); alive {
				into[k] = job
				k++
			}
		}
	}
	to := nowhere
	if k > 1 {
		to = inBatch
	}
	for _, job := range into[:k] {
		move(job, to)
	}
	c.count(lv, -k)
	return k, first, since
}

// front returns the number of the first job of a level, when it was queued, and
// how many jobs its run has, or the queue.
func (lv *level[J]) front() (first int64, since time.Duration, n int) {
	if len(lv.back) > 0 {
		return lv.back[0].first, lv.back[0].since, len(lv.back[0].jobs)
	}
	if lv.since.n > 0 {
		since = lv.since.first()
	}
	return lv.first, since, lv.queue.n
}

// pop takes the first entry of a level that has one: a job, or a tombstone.
func (c *Core[J]) pop(lv *level[J]) (job J, alive bool) {
	if len(lv.back) > 0 {
		r := &lv.back[0]
		job = r.jobs[0]
		r.jobs = r.jobs[1:]
		r.first++
		if len(r.jobs) == 0 {
			lv.back = slices.Delete(lv.back, 0, 1)
		}
	} else {
		job = lv.queue.pop()
		lv.first++
		if lv.since.n > 0 {
			lv.since.pop()
		}
	}
	if alive = isAlive(job); !alive {
		lv.tombstones--
		job.Node().clearTombstone()
	}
	return job, alive
}

// skipTombstones drops the removed jobs in front of a level.
func (c *Core[J]) skipTombstones(lv *level[J]) {
	for lv.tombstones > 0 {
		if len(lv.back) > 0 && isAlive(lv.back[0].jobs[0]) || len(lv.back) == 0 && isAlive(lv.queue.first()) {
			return
		}
		c.pop(lv)
	}
}

// leaveTombstone takes a job out of its lane. Its entry stays there until its turn comes
// or half of its level are tombstones.
func (c *Core[J]) leaveTombstone(lv *level[J], job J) {
	job.Node().leaveTombstone()
	lv.tombstones++
	c.count(lv, -1)
	if lv.tombstones*2 > lv.n+lv.tombstones {
		lv.sweep()
	}
	c.retireLevel(lv)
}

// sweep drops the tombstones.
func (lv *level[J]) sweep() {
	keep := func(job J) bool {
		if isAlive(job) {
			return true
		}
		job.Node().clearTombstone()
		return false
	}
	for i := range lv.back {
		lv.back[i].jobs = slices.DeleteFunc(lv.back[i].jobs, func(job J) bool { return !keep(job) })
	}
	lv.back = slices.DeleteFunc(lv.back, func(r run[J]) bool { return len(r.jobs) == 0 })
	if lv.since.n > 0 {
		i := 0
		lv.since.keep(func(time.Duration) bool {
			i++
			return isAlive(lv.queue.at(i - 1))
		})
	}
	lv.queue.keep(keep)
	lv.tombstones = 0
}

// retireLevel forgets a level that has nothing left, and then its lane.
func (c *Core[J]) retireLevel(lv *level[J]) {
	if lv.n > 0 || lv.out > 0 {
		return
	}
	if lv.tombstones > 0 {
		lv.sweep()
	}
	l := lv.lane
	if l == c.plain && lv.priority == 0 {
		return // used too often to be made anew
	}
	l.levels = slices.DeleteFunc(l.levels, func(other *level[J]) bool { return other == lv })
	if len(lv.queue.buf) <= largestSpare {
		*lv = level[J]{queue: lv.queue, since: lv.since, back: lv.back[:0]}
		c.spareLevels.put(lv)
	}
	c.retireLane(l)
}

// largestSpare is the longest buffer that a spare level has.
const largestSpare = 256

// retireLane forgets a lane that has nothing left.
func (c *Core[J]) retireLane(l *lane[J]) {
	if l.n > 0 || len(l.levels) > 0 || l.waiters.n > 0 || l.blocked || l == c.plain {
		return
	}
	delete(c.lanes, l.key)
	if c.lastLane == l {
		c.lastLane = nil
	}
	q := l.quota
	q.lanes--
	*l = lane[J]{levels: l.levels[:0], waiters: l.waiters}
	c.spareLanes.put(l)
	c.retireQuota(q)
}

// lane returns the lane of a request, making it if there is none.
func (c *Core[J]) lane(r Request[J]) *lane[J] {
	l := c.find(r.Key)
	if l == nil {
		l = c.spareLanes.get()
		l.key, l.quota = r.Key, c.quota(r)
		l.quota.lanes++
		c.lanes[r.Key] = l
		c.lastLane = l
	}
	return l
}

// find returns the lane of a key, or nil.
func (c *Core[J]) find(key string) *lane[J] {
	if l := c.lastLane; l != nil && l.key == key {
		return l
	}
	l := c.lanes[key]
	if l != nil {
		c.lastLane = l
	}
	return l
}
