package pool

// A lane is the queue of the jobs of one key. Lanes take turns, so that a full
// one delays another by one job and no more. A lane exists while it has a job
// or a submitter that waits for room.
//
// Everything in this file is guarded by the pool's mu.
type lane struct {
	key    string
	group  *group
	levels []level // by priority, the most urgent first
	n      int     // live jobs

	next, prev *lane // in the circle of the group's lanes that have jobs
	blocked    ring[*submitter]
	starved    bool // it is on the pool's list of lanes that wait for total room

	// batches is how many workers have taken jobs of this lane that they may
	// not have started, of priority batchPriority.
	batches, batchPriority int
}

// A level holds the jobs of one priority. Some of its items may be dead: their
// task was cancelled or is run by somebody who waits for it.
type level struct {
	priority int
	jobs     ring[item]
	dead     int
}

func (l *lane) push(priority int, items []item) {
	l.level(priority).jobs.pushAll(items)
	for _, it := range items {
		if it.task != nil {
			it.task.inLane = true
		}
	}
	l.n += len(items)
}

// putBack puts a job that was taken before all others of its priority.
func (p *Pool) putBack(l *lane, priority int, it item) {
	l.level(priority).jobs.pushFront(it)
	if it.task != nil {
		it.task.inLane = true
	}
	if l.n++; l.n == 1 {
		l.group.link(l)
	}
	l.group.n++
	p.queued++
}

// mostUrgent returns the first level that has a live job.
func (l *lane) mostUrgent() *level {
	for i := range l.levels {
		if lv := &l.levels[i]; lv.jobs.n > lv.dead {
			return lv
		}
	}
	panic("bug: a lane that counts a job has none")
}

// level returns the level of a priority, making it if there is none.
func (l *lane) level(priority int) *level {
	i := 0
	for ; i < len(l.levels) && l.levels[i].priority >= priority; i++ {
		if l.levels[i].priority == priority {
			return &l.levels[i]
		}
	}
	l.levels = append(l.levels, level{})
	copy(l.levels[i+1:], l.levels[i:])
	l.levels[i] = level{priority: priority}
	return &l.levels[i]
}

// popLevel takes the first live job of a level that has one.
func (l *lane) popLevel(lv *level) item {
	for {
		it := lv.jobs.pop()
		if l.leaves(it, lv) {
			return it
		}
	}
}

// popLevelInto fills into with the first live jobs of a level that has as many.
func (l *lane) popLevelInto(into []item, lv *level) {
	for n := 0; n < len(into); {
		for _, it := range into[n:][:lv.jobs.popInto(into[n:])] {
			into[n] = it
			if l.leaves(it, lv) {
				n++
			}
		}
	}
}

// leaves does the accounts of an item that was taken from a level, and reports
// whether it is alive.
func (l *lane) leaves(it item, lv *level) bool {
	if it.task != nil {
		if !it.task.inLane {
			lv.dead--
			return false
		}
		it.task.inLane = false
	}
	l.n--
	return true
}

// bury takes a task out of the lane that it is in. Its item stays, dead, and
// the level is swept when half of it is.
func (l *lane) bury(t *Task) {
	t.inLane = false
	l.n--
	lv := l.level(t.priority())
	lv.dead++
	if lv.dead*2 > lv.jobs.n {
		lv.jobs.keep(func(it item) bool { return it.task == nil || it.task.inLane })
		lv.dead = 0
	}
}

// reset makes an empty lane ready for another key. It keeps one small buffer.
func (l *lane) reset() {
	kept := l.levels[:0]
	if len(l.levels) > 0 && l.levels[0].jobs.n == 0 && len(l.levels[0].jobs.buf) <= 64 {
		kept = append(kept, level{jobs: ring[item]{buf: l.levels[0].jobs.buf}})
	}
	*l = lane{levels: kept}
}

// A group is what shares a slot key: lanes that have jobs, and the claims that
// are made for them. In a pool without slots all lanes are in one group.
type group struct {
	key  string
	head *lane // whose turn it is; nil if no lane has a job
	last *lane // whose turn it was last
	n    int   // live jobs
	// lanes is how many lanes exist that belong to the group.
	lanes int

	// claims counts those that are asked for, in line, or granted and not yet
	// serving a job.
	claims  int
	holds   int      // slots that the pool has for it
	asking  int      // those of them that are asked for right now
	line    line     // where those in line wait
	listed  bool     // it is on the pool's list of groups to claim for
	lingers bool     // places in line that no job needs are given up soon
	pause   *delayed // while claims for it are put off; nil otherwise
	down    outage   // what it knows of its failed claims
}

// link puts a lane that has got its first job at the end of the circle, but
// before the lane that has just had its turn: a new lane waits for one job and
// not for two.
func (g *group) link(l *lane) {
	if g.head == nil {
		g.head, l.next, l.prev = l, l, l
		return
	}
	after := g.head
	if after.prev == g.last {
		after = g.last
	}
	l.next, l.prev = after, after.prev
	after.prev.next, after.prev = l, l
	if after == g.head && after == g.last {
		g.head = l // the only lane has just had its turn
	}
}

func (g *group) unlink(l *lane) {
	if l.next == l {
		g.head = nil
	} else {
		l.prev.next, l.next.prev = l.next, l.prev
		if g.head == l {
			g.head = l.next
		}
	}
	if g.last == l {
		g.last = nil
	}
	l.next, l.prev = nil, nil
}

// add puts jobs into a lane.
func (p *Pool) add(l *lane, priority int, items ...item) {
	if l.n == 0 {
		l.group.link(l)
	}
	l.push(priority, items)
	l.group.n += len(items)
	p.queued += len(items)
}

// takeFrom takes the next job of a group that has one: of the lane whose turn
// it is, the most urgent.
func (p *Pool) takeFrom(g *group) (item, origin) {
	l := g.head
	g.head, g.last = l.next, l
	lv := l.mostUrgent()
	from := origin{l.key, lv.priority}
	it := l.popLevel(lv)
	p.left(l, 1)
	return it, from
}

// takeFor is takeFrom for a worker that will run the job.
func (p *Pool) takeFor(w *worker, g *group) (it item) {
	it, w.from = p.takeFrom(g)
	w.inBatch = false
	return it
}

// left does the accounts after k jobs have left a lane.
func (p *Pool) left(l *lane, k int) {
	l.group.n -= k
	p.queued -= k
	if l.n == 0 {
		l.group.unlink(l)
	}
	if l.blocked.n > 0 || p.starved.n > 0 {
		p.admitBlocked(l)
	}
	if l.group.n == 0 {
		p.unpark(l.group)
	}
	p.retireLane(l)
}

// lockLane locks mu and returns the lane of a key, or returns an error and mu
// unlocked. The slot key of a new lane is asked for without mu.
func (p *Pool) lockLane(key string) (*lane, error) {
	slotKey := key
	p.lockOut()
	if !p.closing && p.cfg.slotKey != nil && p.lanes[key] == nil {
		p.unlock()
		var err error
		if slotKey, err = p.slotKeyOf(key); err != nil {
			return nil, err
		}
		p.lockOut()
	}
	if p.closing {
		p.unlock()
		return nil, ErrClosed
	}
	return p.laneOf(key, slotKey), nil
}

// laneOf returns the lane of a key, making it if there is none. Its jobs run
// under slots of slotKey.
func (p *Pool) laneOf(key, slotKey string) *lane {
	if l := p.lastLane; l != nil && l.key == key {
		return l
	}
	l := p.lanes[key]
	if l == nil {
		l = p.newLane(key, slotKey)
	}
	p.lastLane = l
	return l
}

func (p *Pool) newLane(key, slotKey string) *lane {
	var l *lane
	if k := len(p.spareLanes); k > 0 {
		l = p.spareLanes[k-1]
		p.spareLanes = p.spareLanes[:k-1]
	} else {
		l = &lane{}
	}
	l.key, l.group = key, p.groupOf(slotKey)
	l.group.lanes++
	p.lanes[key] = l
	return l
}

const spareLanes = 1024

// retireLane forgets a lane that has nothing left.
func (p *Pool) retireLane(l *lane) {
	if l.n > 0 || l.blocked.n > 0 || l.batches > 0 || l.key == "" {
		return // the lane of jobs without a key is used too often to be made anew
	}
	delete(p.lanes, l.key)
	if p.lastLane == l {
		p.lastLane = nil
	}
	g := l.group
	g.lanes--
	p.retireGroup(g)
	if len(p.spareLanes) < spareLanes && !l.starved {
		l.reset()
		p.spareLanes = append(p.spareLanes, l)
	}
}

// groupOf returns the group of a slot key.
func (p *Pool) groupOf(key string) *group {
	if p.src == nil {
		return &p.all
	}
	g := p.groups[key]
	if g == nil {
		g = &group{key: key}
		p.groups[key] = g
	}
	return g
}

func (p *Pool) retireGroup(g *group) {
	if p.src != nil && g.lanes == 0 && g.claims == 0 && g.holds == 0 && !g.listed && g.pause == nil && !g.lingers {
		p.giveUpLine(g) // nobody is there
		p.endFailures(g)
		delete(p.groups, g.key)
	}
}
