package sched

import "time"

// A WorkerID is the number of a worker, from 0. Numbers are used again.
type WorkerID int32

// workerState is what a worker is doing, as far as the core knows.
//
//	         Start               Run, Ask
//	absent ─────────▶ coming ───────────────▶ busy, asks
//	  ▲               ▲ │  ▲      Look         │
//	  │          Wake │ │  ╰───────────────────┤
//	  │               │ ▼ Rest                 │
//	  │              resting ◀─────────────────┤ Rest
//	  │                 │ Wake                 │
//	  │ End             ▼                      │
//	  ├───────────── leaving                   │
//	  ╰────────────────────────────────────────╯ End
//
// One that is coming can be told to end too, and one that asks to run, or to
// ask again.
type workerState uint8

const (
	absent  workerState = iota
	coming              // on its way to ask for an order
	busy                // it has jobs
	asks                // it asks for a slot
	resting             // until it is woken
	leaving             // woken in order to end
	workerStates
)

// String returns the word for it.
func (s workerState) String() string {
	switch s {
	case absent:
		return "absent"
	case coming:
		return "coming"
	case busy:
		return "busy"
	case asks:
		return "asks"
	case resting:
		return "resting"
	case leaving:
		return "leaving"
	}
	panic("bug: a worker is in no known state")
}

// none is no worker.
const none WorkerID = -1

// worker is what the core knows of a worker.
type worker[J Job] struct {
	state   workerState
	looked  bool          // it has looked once more since it had a job
	stuck   bool          // it has not come for a tick
	listed  bool          // it is on the list of those that are busy and not stuck
	since   time.Duration // when it began to rest
	tick    int64         // the tick in which it came last
	allowed int           // how many jobs it may be handed at a time
	batch   batch[J]
	claim   *Claim[J] // that it serves under

	next, prev WorkerID // on the list
}

// become changes a worker's state. It is the only place that does.
func (c *Core[J]) become(w WorkerID, s workerState) {
	if c.cfg.Slots {
		c.account()
	}
	worker := &c.workers[w]
	c.n[worker.state]--
	worker.state = s
	c.n[s]++
}

// present returns how many workers there are.
func (c *Core[J]) present() int { return c.active() + c.n[resting] }

// active returns how many workers do not rest.
func (c *Core[J]) active() int { return c.n[coming] + c.n[busy] + c.n[asks] }

// mayCall reports whether a worker could be called: one at a time is, and calls
// the next if there is more to do.
func (c *Core[J]) mayCall() bool {
	return c.n[coming] == 0 && (len(c.resting) > 0 || c.present() < c.target)
}

// moving returns how many workers come for jobs now and then.
func (c *Core[J]) moving() int { return c.active() - c.stuck }

// enough reports whether the workers that come for jobs are enough, because jobs
// are short. A tick looks whether that stays true.
func (c *Core[J]) enough() bool {
	return c.all.short && !c.cfg.Slots && c.moving() >= 2*c.cfg.Procs+c.burst
}

// wouldCall reports whether one job more would have a worker called, or the
// tick started.
func (c *Core[J]) wouldCall() bool {
	return c.mayCall() && (!c.enough() || c.tickAt == Never)
}

// call sends for a worker if there are jobs for one.
func (c *Core[J]) call() {
	switch {
	case !c.mayCall() || !c.hasWork():
	case c.enough():
		c.startTick()
	default:
		c.callNow()
	}
}

// hasWork reports whether there is something to do for one worker more.
func (c *Core[J]) hasWork() bool {
	if c.cfg.Slots {
		return c.grants.n > 0 || c.available() > 0 && c.nextAsked() != nil
	}
	return c.queued > 0
}

func (c *Core[J]) callNow() {
	c.counts.Calls++
	if k := len(c.resting); k > 0 {
		w := c.resting[k-1]
		c.resting = c.resting[:k-1]
		c.become(w, coming)
		c.effect(Effect[J]{Kind: Wake, Worker: w})
		return
	}
	w := c.hire()
	c.become(w, coming)
	c.effect(Effect[J]{Kind: Start, Worker: w})
}

// hire returns the number of a worker that is absent.
func (c *Core[J]) hire() WorkerID {
	if k := len(c.unused); k > 0 {
		w := c.unused[k-1]
		c.unused = c.unused[:k-1]
		return w
	}
	c.workers = append(c.workers, worker[J]{})
	c.n[absent]++
	return WorkerID(len(c.workers) - 1)
}

// A Report is what a worker tells of the jobs of its last order.
type Report struct {
	Jobs int           // that it is done with, also those that others had ended
	Took time.Duration // for all of them
}

// Do says what a worker is to do.
type Do uint8

// What a worker is to do.
const (
	// Run has it run the jobs that it was handed, and ask again.
	Run Do = iota + 1
	// Ask has it ask for a slot, tell what came of it, and ask again.
	Ask
	// Check has it see to it that Lost is told of a slot from now on, tell it if
	// the slot is lost already, and ask again.
	Check
	// Look has it let others go first, and ask again.
	Look
	// Rest has it wait until it is woken, and ask again.
	Rest
	// End has it end.
	End
	// Again has it hand in what is recalled, and ask again with nothing to
	// report, all of that before the lock is free.
	Again
)

// An Order is what a worker is to do.
type Order[J Job] struct {
	Do    Do
	Jobs  int       // Run: how many it was handed
	Key   string    // Run: that they were submitted with
	Level int       // Run: their priority
	Claim *Claim[J] // Run: that it runs them under, if there are slots; Ask: that it asks for; Check
	// Reused says that the claim has served a job before. Run.
	Reused bool
	Queue  bool // Ask: if there is no slot, for a place in line
}

// Next is what a worker calls that has nothing left of its last order. The jobs
// that it is to run are put into a slice, which is as long as it wants to have
// many.
func (c *Core[J]) Next(w WorkerID, now time.Duration, r Report, into []J) Order[J] {
	c.advance(now)
	c.report(w, r)
	o := c.order(w, into)
	if o.Do != Again {
		if c.cfg.Slots {
			c.lineUp()
		}
		c.call()
		c.noteIdle()
		c.setAlarm()
	}
	return o
}

// shortJob is for how long jobs run at most that are handed out in batches: a
// batch saves a fraction of a microsecond for each, and delays what stands in it.
const shortJob = 10 * time.Microsecond

// report takes note of what a worker has done.
func (c *Core[J]) report(w WorkerID, r Report) {
	worker := &c.workers[w]
	if worker.listed {
		c.unlist(w)
	} else if worker.stuck {
		worker.stuck = false
		c.stuck--
	}
	if worker.batch.level != nil {
		c.dropBatch(w)
	}
	if r.Jobs == 0 {
		return
	}
	c.handed -= r.Jobs
	c.counts.Reported += int64(r.Jobs)
	worker.looked = false
	q := &c.all
	if cl := worker.claim; cl != nil {
		q = cl.quota
		q.ran(r)
	}
	q.short = r.Took < shortJob*time.Duration(r.Jobs)
	if q.short {
		worker.allowed = min(c.cfg.Batch, 2*max(1, worker.allowed))
	} else {
		worker.allowed = 1
	}
}

// order decides what a worker is to do.
func (c *Core[J]) order(w WorkerID, into []J) Order[J] {
	switch {
	case c.surplus(w):
		return c.end(w)
	case c.all.out > 0 && (!c.all.short || c.queued == 0):
		// What others have taken and not started goes first, or is all there is.
		c.recall(&c.all)
		return Order[J]{Do: Again}
	case c.cfg.Slots:
		if o := c.orderUnderSlot(w, into); o.Do != 0 {
			return o
		}
	case c.queued > 0:
		return c.hand(w, into)
	}
	if c.draining && c.queued == 0 {
		return c.end(w)
	}
	if c.mayLook(w) {
		return c.look(w)
	}
	return c.rest(w)
}

// mayLook reports whether a worker may look once more before it rests: a
// submitter that has its next job ready then need not wake anybody.
func (c *Core[J]) mayLook(w WorkerID) bool {
	worker := &c.workers[w]
	others := c.n[coming]
	if worker.state == coming {
		others--
	}
	return !worker.looked && others == 0
}

func (c *Core[J]) look(w WorkerID) Order[J] {
	c.workers[w].looked = true
	c.become(w, coming)
	return Order[J]{Do: Look}
}

// orderUnderSlot decides what a worker is to do for which there are slots, if
// anything: a slot that is there goes to the first worker that is free, before
// the one that this one has is used once more.
func (c *Core[J]) orderUnderSlot(w WorkerID, into []J) Order[J] {
	worker := &c.workers[w]
	if cl := worker.claim; cl != nil && !cl.served && cl.quota.n > 0 && !cl.lost && !c.late(cl) {
		return c.bind(w, cl, into) // it was checked
	}
	for c.grants.n > 0 {
		cl := c.grants.pop()
		if cl.quota.n == 0 && cl.quota.out > 0 && !cl.lost {
			c.grants.pushFront(cl)
			c.recall(cl.quota)
			return Order[J]{Do: Again}
		}
		if cl.quota.n > 0 && !c.late(cl) {
			c.releaseOf(w)
			return c.use(w, cl, c.now-cl.granted < fresh, into)
		}
		c.release(cl)
	}
	if cl := worker.claim; cl != nil && c.mayReuse(cl) {
		if cl.quota.n > 0 {
			return c.use(w, cl, false, into)
		}
		if c.mayLook(w) {
			return c.look(w)
		}
	}
	c.releaseOf(w)
	return c.ask(w)
}

// mayReuse reports whether a slot may serve one job more.
func (c *Core[J]) mayReuse(cl *Claim[J]) bool {
	return cl.served && !cl.single && !cl.lost && c.now-cl.granted < c.cfg.Reuse
}

// fresh is for how long a slot is taken to be held that nobody has checked.
const fresh = 10 * time.Millisecond

// use has a worker use a slot. One that is not known to be held is checked
// first: most slots serve one job at once, and to have the loss of a slot told
// costs something.
func (c *Core[J]) use(w WorkerID, cl *Claim[J], isFresh bool, into []J) Order[J] {
	if cl.checked || isFresh {
		return c.bind(w, cl, into)
	}
	cl.checked = true
	c.workers[w].claim = cl
	if cl.state != serving {
		c.turn(cl, serving)
	}
	c.become(w, asks)
	c.review(cl.quota)
	return Order[J]{Do: Check, Claim: cl}
}

// releaseOf gives back the slot that a worker has.
func (c *Core[J]) releaseOf(w WorkerID) {
	if cl := c.workers[w].claim; cl != nil {
		c.workers[w].claim = nil
		c.release(cl)
	}
}

// bind gives a worker a slot and the next job for it.
func (c *Core[J]) bind(w WorkerID, cl *Claim[J], into []J) Order[J] {
	q := cl.quota
	o := Order[J]{Do: Run, Claim: cl, Reused: cl.served}
	cl.after = ForWorker
	if cl.served {
		cl.after = q.wait
	}
	c.workers[w].claim, cl.served = cl, true
	c.turn(cl, serving)
	q.since = c.now
	l := q.turn()
	lv := c.mostUrgent(l)
	o.Key, o.Level = l.key, lv.priority
	k := 1
	if q.short && l.next == l && cl.checked && c.mayReuse(cl) {
		k = min(c.workers[w].allowed, q.n/(2*(q.claims[serving]+q.claims[granted])), len(into))
	}
	b := batch[J]{level: lv}
	o.Jobs, b.first, b.since = c.take(lv, into[:max(1, k)])
	c.handed += o.Jobs
	if c.counts.Reused += int64(o.Jobs); !o.Reused {
		c.counts.Reused--
	}
	c.become(w, busy)
	if o.Jobs > 1 {
		c.list(w)
		c.lendBatch(w, b)
	}
	c.admit(l)
	c.retireLevel(lv)
	c.review(q)
	return o
}

// surplus reports whether a worker has to end although there may be jobs.
func (c *Core[J]) surplus(w WorkerID) bool {
	return c.workers[w].state == leaving || c.present() > c.target
}

// hand gives a worker jobs: one, or a batch of short ones.
func (c *Core[J]) hand(w WorkerID, into []J) Order[J] {
	l := c.all.turn()
	lv := c.mostUrgent(l)
	k := 1
	if c.all.short && l.next == l {
		// Few enough that the other workers have as many.
		k = min(c.workers[w].allowed, c.queued/(2*max(1, c.moving())), len(into))
	}
	o := Order[J]{Do: Run, Key: l.key, Level: lv.priority}
	b := batch[J]{level: lv}
	k, b.first, b.since = c.take(lv, into[:max(1, k)])
	o.Jobs = k
	c.handed += k
	c.become(w, busy)
	c.list(w)
	if k > 1 {
		c.lendBatch(w, b)
	}
	c.admit(l)
	c.retireLevel(lv)
	return o
}

// rest has a worker rest.
func (c *Core[J]) rest(w WorkerID) Order[J] {
	c.become(w, resting)
	worker := &c.workers[w]
	worker.looked, worker.since = false, c.now
	c.resting = append(c.resting, w)
	if c.cfg.Rest > 0 && len(c.resting) == 1 {
		c.restAt = After(c.now, c.cfg.Rest)
	}
	return Order[J]{Do: Rest}
}

// end forgets a worker.
func (c *Core[J]) end(w WorkerID) Order[J] {
	c.releaseOf(w)
	c.become(w, absent)
	c.workers[w] = worker[J]{}
	c.unused = append(c.unused, w)
	if c.draining && c.queued == 0 {
		c.dismissAll()
	}
	return Order[J]{Do: End}
}

// dismissRested has those end that have rested for long: the first ones of
// resting, as those that are woken are the last.
func (c *Core[J]) dismissRested() {
	k := 0
	for k < len(c.resting) && c.now-c.workers[c.resting[k]].since >= c.cfg.Rest {
		k++
	}
	c.dismiss(k)
	c.restAt = Never
	if len(c.resting) > 0 {
		c.restAt = After(c.workers[c.resting[0]].since, c.cfg.Rest)
	}
}

func (c *Core[J]) dismissAll() { c.dismiss(len(c.resting)) }

// dismiss has the k workers end that rest for longest.
func (c *Core[J]) dismiss(k int) {
	for _, w := range c.resting[:k] {
		c.become(w, leaving)
		c.effect(Effect[J]{Kind: Wake, Worker: w})
	}
	c.resting = c.resting[:copy(c.resting, c.resting[k:])]
}

// Resize changes how many workers there may be. Those that rest and are too
// many end now, others when they come for jobs.
func (c *Core[J]) Resize(now time.Duration, workers int) {
	c.advance(now)
	c.target += workers - c.cfg.Workers // keeps what is lent
	c.cfg.Workers = workers
	c.dismiss(min(len(c.resting), max(0, c.present()-c.target)))
	c.lineUp()
	c.call()
	c.setAlarm()
}

// Lend lets one worker more run, for a job that waits for another, until the
// same is taken back by TakeBack.
func (c *Core[J]) Lend(now time.Duration) {
	c.advance(now)
	c.target++
	c.lineUp()
	c.call()
	c.setAlarm()
}

// TakeBack ends what Lend began.
func (c *Core[J]) TakeBack(now time.Duration) {
	c.advance(now)
	c.target--
	c.dismiss(min(len(c.resting), max(0, c.present()-c.target)))
}

// list puts a worker that gets jobs at the end of the list of those that are
// busy and not stuck, so that those that came in an earlier tick are first.
func (c *Core[J]) list(w WorkerID) {
	worker := &c.workers[w]
	worker.listed, worker.tick = true, c.ticks
	worker.prev, worker.next = c.newest, none
	if c.newest == none {
		c.oldest = w
	} else {
		c.workers[c.newest].next = w
	}
	c.newest = w
}

func (c *Core[J]) unlist(w WorkerID) {
	worker := &c.workers[w]
	worker.listed = false
	if worker.prev == none {
		c.oldest = worker.next
	} else {
		c.workers[worker.prev].next = worker.next
	}
	if worker.next == none {
		c.newest = worker.prev
	} else {
		c.workers[worker.next].prev = worker.prev
	}
}
