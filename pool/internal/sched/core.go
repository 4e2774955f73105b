package sched

import (
	"math"
	"time"
)

// Config is what a core is made with.
type Config struct {
	// Workers is how many workers there may be.
	Workers int
	// Queue is how many jobs may wait in a lane, QueueTotal how many in all
	// lanes together. A lane with none is always admitted one.
	Queue, QueueTotal int
	// Batch is how many short jobs a worker is handed at a time at most; 1: one.
	Batch int
	// Procs is how many processors there are. While jobs are short no more than
	// twice as many workers are called.
	Procs int
	// Aging is how long a job waits until it counts as one priority more; 0: no
	// wait makes a job more urgent.
	Aging time.Duration
	// Rest is for how long a worker rests before it is dismissed; 0: for ever.
	Rest time.Duration

	// Slots says that each job runs under a slot of its quota. What follows is
	// for that.
	Slots bool
	// Reuse is for how long after its grant a slot may serve further jobs.
	Reuse time.Duration
	// Linger is for how long a quota without a job keeps its places in line.
	Linger time.Duration
	// MaxClaims is how many claims may be in line at once; 0: 4 for each worker.
	MaxClaims int
	// FailAfter is for how long claims may be refused until the jobs that need
	// them end; 0: for ever.
	FailAfter time.Duration
}

// A Core decides which job runs next and where. It is not safe for concurrent
// use. Each event is told the time, which is counted from any moment and must
// not go back.
type Core[J Job] struct {
	cfg Config
	now time.Duration

	lanes       map[string]*lane[J]
	plain       *lane[J] // of jobs without a key
	lastLane    *lane[J] // that was asked for last
	spareLanes  spares[lane[J]]
	spareLevels spares[level[J]]
	all         quota[J]
	queued      int            // live jobs in lanes
	blocked     ring[*lane[J]] // lanes that wait for room in all
	delays      heap[delay[J]]
	delaySeq    int64
	counts      Counts
	accounted   time.Duration // until when slots are accounted for
	handed      int           // jobs that workers have and have not reported, and those that run elsewhere

	workers []worker[J]
	n       [workerStates]int // workers by state; changed by become alone
	unused  []WorkerID        // numbers of those that are absent
	resting []WorkerID        // the one that has rested for longest first
	target  int               // how many workers there may be
	batches []WorkerID        // those that may have jobs of a batch

	oldest, newest WorkerID // the list of workers that are busy and not stuck
	stuck          int      // workers that have not come for a tick
	burst          int      // how many may be called beyond those that are enough
	ticks          int64    // that have begun

	tickAt, restAt, alarmAt time.Duration

	quotas      map[string]*quota[J]
	spareQuotas spares[quota[J]]
	claims      [claimStates]int // by state; changed by turn alone
	mayWait     int              // of those that are asking, those that may have to wait in line
	grants      ring[*Claim[J]]  // those that are granted
	wants       [wantKinds]int   // quotas by want, but for idle; changed by enlist alone
	askable     ring[*quota[J]]  // in turn; some are not askable any more
	crowded     heap[*quota[J]]
	pauses      heap[*quota[J]]
	lingering   ring[linger[J]]

	draining bool
	watched  bool // somebody wants to know when nothing is left

	effects []Effect[J]
	recalls []WorkerID
}

// Never is a time that does not come.
const Never = time.Duration(math.MaxInt64)

// After returns the time d after t: Never, if that is later than can be told.
func After(t, d time.Duration) time.Duration {
	if d > Never-t {
		return Never
	}
	return t + d
}

// New returns a core that has nothing to do.
func New[J Job](cfg Config) *Core[J] {
	c := &Core[J]{
		cfg: cfg, lanes: map[string]*lane[J]{}, quotas: map[string]*quota[J]{}, delays: newDelays[J](), crowded: newCrowded[J](), pauses: newPauses[J](), target: cfg.Workers, oldest: none, newest: none,
		tickAt: Never, restAt: Never, alarmAt: Never,
	}
	c.plain = &lane[J]{quota: &c.all}
	if !cfg.Slots {
		c.level(c.plain, 0)
		c.lanes[""] = c.plain
	}
	return c
}

// An EffectKind says what is to be done.
type EffectKind uint8

// What is to be done.
const (
	// Wake has a worker that rests ask for its next order.
	Wake EffectKind = iota + 1
	// Start has a new worker ask for its first order.
	Start
	// Admit tells a submitter that its job is in, or why it is not.
	Admit
	// Finish ends a job that will not run, for a reason. Ended tells when that is
	// done.
	Finish
	// Alarm asks for Time at the given time, instead of the time of before.
	Alarm
	// Idle says that no job is left.
	Idle
	// Join has a claim join its line. What comes of it is told as for one that a
	// worker asks for; Busy is not.
	Join
	// Leave has a claim leave its line. What comes of it is told as for any.
	Leave
	// Release gives the slot of a claim back.
	Release
)

// An Effect is what an event wants to have done, by whoever brought the event
// and after the lock is free.
type Effect[J Job] struct {
	Kind      EffectKind
	Worker    WorkerID
	Submitter *Submitter[J]
	Job       J
	Claim     *Claim[J]
	Reason    Reason
	At        time.Duration
}

// A Reason is why a job ends without having been run.
type Reason uint8

// Why a job ends.
const (
	Drained Reason = iota + 1 // it waited for its time when the core began to drain
	Aborted                   // it was queued when the core was told to abort
	NoSlot                    // the claims for it are refused
)

// Effects returns what is to be done, and forgets it. The slice is good until
// the next event.
func (c *Core[J]) Effects() []Effect[J] {
	e := c.effects
	c.effects = c.effects[:0]
	return e
}

// Recalls returns the workers whose batches must be handed to Recalled before
// the lock is free, and forgets them.
func (c *Core[J]) Recalls() []WorkerID {
	r := c.recalls
	c.recalls = c.recalls[:0]
	return r
}

func (c *Core[J]) effect(e Effect[J]) { c.effects = append(c.effects, e) }

// advance takes note of the time.
func (c *Core[J]) advance(now time.Duration) { c.now = max(c.now, now) }

// Time tells the core what time it is. It is called for each Alarm, and again
// until it returns false; what is recalled is handed in between.
func (c *Core[J]) Time(now time.Duration) (again bool) {
	c.advance(now)
	if c.alarmAt <= c.now {
		c.alarmAt = Never
	}
	c.queueDue()
	c.endPauses()
	c.leaveLines()
	if c.tickAt <= c.now {
		c.endTick()
	}
	if c.restAt <= c.now {
		c.dismissRested()
	}
	c.lineUp()
	c.call()
	c.setAlarm()
	return len(c.recalls) > 0
}

// Drain refuses new jobs from now on, and ends those that wait for their time.
// What is queued still runs; then the workers end.
func (c *Core[J]) Drain(now time.Duration) {
	c.advance(now)
	c.draining = true
	for _, l := range c.lanes {
		c.refuse(l)
	}
	for len(c.delays.all) > 0 {
		c.finish(c.undelay(len(c.delays.all)-1).Job, Drained, nil)
	}
	c.noteDrained()
	c.noteIdle()
}

// finish has a job ended that will not run. Where it has no slot, cl is the claim
// that was refused last.
func (c *Core[J]) finish(job J, why Reason, cl *Claim[J]) {
	c.handed++
	c.effect(Effect[J]{Kind: Finish, Job: job, Reason: why, Claim: cl})
}

// noteDrained lets the workers end, and gives back what is claimed, once the
// core drains and nothing is queued.
func (c *Core[J]) noteDrained() {
	if !c.draining || c.queued > 0 {
		return
	}
	c.dismissAll()
	c.releaseGrants()
	for _, q := range c.quotas {
		c.leave(q)
	}
}

// Abort ends, after Drain, what is queued too. It is called again until it
// returns false; what is recalled is handed in between.
func (c *Core[J]) Abort(now time.Duration) (again bool) {
	c.advance(now)
	if len(c.batches) > 0 {
		c.recalls = append(c.recalls, c.batches...)
		return true
	}
	c.empty(&c.all, Aborted, nil)
	for _, q := range c.quotas {
		c.empty(q, Aborted, nil)
	}
	c.noteDrained()
	c.noteIdle()
	return false
}

// setAlarm sees to it that Time is called when the next thing is due.
func (c *Core[J]) setAlarm() {
	at := min(c.tickAt, c.restAt)
	if len(c.delays.all) > 0 {
		at = min(at, c.delays.all[0].at)
	}
	if len(c.pauses.all) > 0 {
		at = min(at, c.pauses.all[0].dueAt)
	}
	if c.lingering.n > 0 {
		at = min(at, c.lingering.first().until)
	}
	if at < c.alarmAt {
		c.alarmAt = at
		c.effect(Effect[J]{Kind: Alarm, At: at})
	}
}

// Counts are what has become of jobs.
type Counts struct {
	Submitted int64 // jobs that were accepted
	Reported  int64 // jobs that workers have reported
	Batches   int64 // that were handed out
	Recalled  int64 // of them
	Calls     int64 // workers that were woken or started
	Claims    int64 // that were begun
	Reused    int64 // jobs that ran under a slot that had served before
	Unused    int64 // slots that were given back without having served
	Late      int64 // of them, slots under which it was too late for a job to start
	Refused   int64 // claims that were

	// Held is the time for which slots were held, all of them added up, and Idle
	// that for which no job ran under them.
	Held, Idle time.Duration
}

// Counts returns what has become of jobs until now.
func (c *Core[J]) Counts(now time.Duration) Counts {
	c.advance(now)
	c.account()
	return c.counts
}

// account adds up for how long slots are held. It is called before their number,
// or that of the workers that run jobs, changes.
func (c *Core[J]) account() {
	d := c.now - c.accounted
	c.accounted = c.now
	held := c.Held()
	c.counts.Held += d * time.Duration(held)
	c.counts.Idle += d * time.Duration(held-c.n[busy])
}

// Queued returns how many jobs stand in lanes, and Delayed how many wait for
// their time.
func (c *Core[J]) Queued() int  { return c.queued }
func (c *Core[J]) Delayed() int { return len(c.delays.all) }

// Workers returns how many workers there are, and Idle how many of them have
// nothing to do.
func (c *Core[J]) Workers() int { return c.present() + c.n[leaving] }
func (c *Core[J]) Idle() int    { return c.n[resting] + c.n[leaving] }

// Size returns how many workers there may be, but for those that are lent.
func (c *Core[J]) Size() int { return c.cfg.Workers }

// Lanes returns how many lanes have a job, or a submitter that waits for room.
func (c *Core[J]) Lanes() int {
	n := len(c.lanes)
	if !c.cfg.Slots && c.plain.n == 0 && c.plain.waiters.n == 0 {
		n-- // it is kept
	}
	return n
}

// InLine returns how many claims are in line, Held how many slots there are, and
// Serving how many of them workers have.
func (c *Core[J]) InLine() int  { return c.claims[waiting] }
func (c *Core[J]) Held() int    { return c.claims[granted] + c.claims[serving] }
func (c *Core[J]) Serving() int { return c.claims[serving] }

// Knows reports whether there is a lane of a key, so that nobody needs to find out
// what slots its jobs need, and whether one job more changes nothing that depends
// on the time: then Submit may be told 0.
func (c *Core[J]) Knows(key string) (lane, timeless bool) {
	l := c.find(key)
	if l == nil {
		return false, false
	}
	return true, l.n > 0 && c.cfg.Aging == 0 && (c.cfg.Slots || c.tickAt != Never)
}

// Failing returns for how many slots' names claims are refused, and how many jobs
// wait for these.
func (c *Core[J]) Failing() (slots, jobs int) {
	for _, q := range c.quotas {
		if q.failed != Never {
			slots++
			jobs += q.n
		}
	}
	return slots, jobs
}

// Over reports whether, after Drain, nothing is left that could do anything: no
// job, no worker and no claim.
func (c *Core[J]) Over() bool {
	open := c.claims[asking] + c.claims[waiting] + c.claims[granted] + c.claims[serving]
	return c.draining && c.Pending() == 0 && c.Workers() == 0 && open == 0
}

// Draining reports whether Drain was called.
func (c *Core[J]) Draining() bool { return c.draining }

// Watch has the next moment at which no job is left told, once.
func (c *Core[J]) Watch() {
	c.watched = true
	c.noteIdle()
}

// noteIdle tells who watches that no job is left.
func (c *Core[J]) noteIdle() {
	if c.watched && c.Pending() == 0 {
		c.watched = false
		c.effect(Effect[J]{Kind: Idle})
	}
}

// Pending returns how many accepted jobs have not been reported, or ended.
func (c *Core[J]) Pending() int { return c.queued + len(c.delays.all) + c.handed }
