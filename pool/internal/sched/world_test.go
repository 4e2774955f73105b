package sched_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/berth-go/berth/pool/internal/sched"
)

// A job is one of a world, and its own handle.
type job struct {
	node     *sched.Node // nil: nobody has a handle of it
	id       int
	key      string
	priority int
	state    jobState
	place    int // in the order of the submits
	retries  int
	at       time.Duration // until when it waits
	seq      int           // among those that wait
	could    time.Duration // since when a worker could have started it
	started  time.Duration
}

func (j *job) Node() *sched.Node { return j.node }

func (j *job) request() sched.Request[*job] {
	return sched.Request[*job]{Job: j, Key: j.key, Priority: j.priority}
}

type jobState int

const (
	offered jobState = iota
	queued
	waiting // for its time
	started
	ended
)

// crew is a worker of a world: what a goroutine would be.
type crew struct {
	id    sched.WorkerID
	state crewState
	left  []*job // of its batch
	runs  *job
	done  sched.Report
}

type crewState int

const (
	rests crewState = iota
	comes
	works
)

// A world is a core and those who use it, one step at a time. It checks after
// each what must hold, and panics with what does not.
type world struct {
	core  *sched.Core[*job]
	cfg   sched.Config
	model *model
	now   time.Duration
	alarm time.Duration

	jobs      []*job
	crews     map[sched.WorkerID]*crew
	waits     []*sched.Submitter[*job]
	elsewhere []*job // run by somebody who waits for them
	lent      int
	idle      int // how often it was said that nothing is left
	places    int
	seq       int
	log       []string
	watching  bool
	order     []*job // of the starts
	quiet     bool   // nothing is checked after each step
	checks    int
	started   func(j *job, at time.Duration)
}

func newWorld(cfg sched.Config) *world {
	return &world{
		core: sched.New[*job](cfg), cfg: cfg, model: &model{}, crews: map[sched.WorkerID]*crew{}, alarm: -1,
	}
}

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

// fail says what does not hold, after what.
func (w *world) fail(format string, args ...any) {
	last := w.log[max(0, len(w.log)-40):]
	panic(fmt.Sprintf("%s\nthe last steps:\n%s", fmt.Sprintf(format, args...), fmt.Sprint(join(last))))
}

func join(lines []string) (all string) {
	for _, l := range lines {
		all += "  " + l + "\n"
	}
	return all
}

// newJob makes a job. Each third has no handle.
func (w *world) newJob(key string, priority int) *job {
	j := &job{id: len(w.jobs), key: key, priority: priority}
	if j.id%3 > 0 {
		j.node = &sched.Node{}
	}
	w.jobs = append(w.jobs, j)
	return j
}

func (w *world) enters(j *job) {
	w.places++
	j.state, j.place = queued, w.places
	w.model.add(j)
}

// after does what an event wants to have done.
func (w *world) after() {
	w.handIn()
	finished := 0
	for _, e := range slices.Clone(w.core.Effects()) {
		if w.do(e); e.Kind == sched.Finish {
			finished++
		}
	}
	for range finished { // that they end is told when it is done
		w.core.Ended(w.now)
		for _, e := range slices.Clone(w.core.Effects()) {
			w.do(e)
		}
	}
	if !w.quiet {
		w.check()
	}
}

func (w *world) handIn() {
	for _, id := range slices.Clone(w.core.Recalls()) {
		c := w.crews[id]
		var left []*job
		gone := 0
		for _, j := range c.left {
			if j.state == queued {
				w.model.add(j)
				left = append(left, j)
			} else {
				gone++
			}
		}
		c.left = nil
		w.core.Recalled(id, left, gone)
	}
}

func (w *world) do(e sched.Effect[*job]) {
	switch e.Kind {
	case sched.Wake:
		if c := w.crews[e.Worker]; c == nil || c.state != rests {
			w.fail("worker %d is woken and does not rest", e.Worker)
		}
		w.crews[e.Worker].state = comes
	case sched.Start:
		if w.crews[e.Worker] != nil {
			w.fail("worker %d is started and is there", e.Worker)
		}
		w.crews[e.Worker] = &crew{id: e.Worker, state: comes}
	case sched.Admit:
		i := slices.Index(w.waits, e.Submitter)
		if i < 0 {
			w.fail("a submitter is told that does not wait")
		}
		w.waits = slices.Delete(w.waits, i, i+1)
		j := e.Submitter.Waiter.(*job)
		if e.Submitter.Verdict == sched.Accepted {
			w.enters(j)
		} else {
			j.state = ended
		}
	case sched.Finish:
		if e.Job.state != queued && e.Job.state != waiting {
			w.fail("job %d is ended and is not queued", e.Job.id)
		}
		w.model.remove(e.Job)
		e.Job.state = ended
	case sched.Alarm:
		w.alarm = e.At
	case sched.Idle:
		w.watching = false
		w.idle++
		if n := w.unfinished(); n > 0 {
			w.fail("nothing is left, it says, but %d jobs are", n)
		}
	}
}

// unfinished returns how many accepted jobs have not ended.
func (w *world) unfinished() (n int) {
	for _, j := range w.jobs {
		if j.state == queued || j.state == waiting || j.state == started {
			n++
		}
	}
	return n
}

// check looks at what must hold between events.
func (w *world) check() {
	coming, present := 0, 0
	for _, c := range w.crews {
		present++
		if c.state == comes {
			coming++
		}
	}
	if w.core.Queued() > 0 && coming == 0 && present < w.cfg.Workers+w.lent && (w.alarm < 0 || w.alarm > w.now+time.Millisecond) {
		w.fail("%d jobs are queued, %d of %d workers are there, and nobody comes or looks", w.core.Queued(), present, w.cfg.Workers)
	}
	if w.checks++; w.checks%8 == 0 { // it costs more than the rest
		w.checkViews()
	}
	if w.core.Queued() > 0 && coming == 0 && w.alarm < 0 {
		for _, c := range w.crews {
			if c.state == rests {
				w.fail("%d jobs are queued, worker %d rests, and nobody comes or looks", w.core.Queued(), c.id)
			}
		}
	}
}

// checkViews compares what is seen of each lane with the model.
func (w *world) checkViews() {
	seen := map[string]bool{}
	queued := 0
	for v := range w.core.Views {
		if seen[v.Key] {
			w.fail("lane %q is seen twice", v.Key)
		}
		seen[v.Key] = true
		queued += v.Queued
		priorities := map[int]bool{}
		for _, j := range w.model.queued {
			if j.key == v.Key {
				v.Queued--
				priorities[j.priority] = true
			}
		}
		for _, j := range w.waits {
			if j.Waiter.(*job).key == v.Key {
				v.Blocked--
			}
		}
		if v.Queued != 0 || v.Blocked != 0 || len(v.Fronts) != len(priorities) {
			w.fail("lane %q is seen with %d jobs and %d submitters too many, and %d jobs in front of %d priorities", v.Key, v.Queued, v.Blocked, len(v.Fronts), len(priorities))
		}
		for _, j := range v.Fronts {
			if j != w.model.oldest(j) {
				w.fail("job %d is seen in front of lane %q, and is not", j.id, v.Key)
			}
		}
	}
	if queued != w.core.Queued() {
		w.fail("%d jobs are seen in lanes, there are %d", queued, w.core.Queued())
	}
}

// submit offers a job.
func (w *world) submit(j *job, full sched.WhenFull) {
	verdict, s := w.core.Submit(w.now, j.request(), full)
	switch verdict {
	case sched.Accepted:
		w.enters(j)
	case sched.Waits:
		s.Waiter = j
		w.waits = append(w.waits, s)
	default:
		j.state = ended
	}
	w.note("submit job %d key %q priority %d: %d", j.id, j.key, j.priority, verdict)
	w.after()
}

// submitAll offers as many jobs without a key as there is room for, up to n.
func (w *world) submitAll(n int) {
	n = min(n, w.core.Room())
	if n == 0 {
		return
	}
	var all []*job
	for range n {
		j := w.newJob("", 0)
		all = append(all, j)
		w.enters(j)
	}
	w.core.Inject(w.now, all)
	w.handIn()
	w.core.Call(w.now)
	w.note("submit %d jobs, the last is %d", n, all[n-1].id)
	w.after()
}

func (w *world) waitsFor(j *job, d time.Duration) {
	w.seq++
	j.state, j.at, j.seq = waiting, w.now+d, w.seq
}

func (w *world) later(j *job, d time.Duration) {
	if j.node == nil {
		j.node = &sched.Node{}
	}
	w.waitsFor(j, d)
	if w.core.Later(w.now, w.now+d, j.request()) != sched.Accepted {
		j.state = ended
	}
	w.note("submit job %d for %v later", j.id, d)
	w.after()
}

// pass lets time pass, and each alarm ring in its time.
func (w *world) pass(d time.Duration) {
	to := w.now + d
	for w.alarm >= 0 && w.alarm <= to {
		w.now = max(w.now, w.alarm)
		w.alarm = -1
		w.note("time is %v", w.now)
		w.ring()
	}
	w.now = to
	w.note("time is %v", w.now)
	w.ring()
}

func (w *world) ring() {
	// Jobs whose time has come are queued in its order.
	for {
		again := w.core.Time(w.now)
		w.handIn()
		if !again {
			break
		}
	}
	w.noteDue()
	w.after()
}

// noteDue finds out which jobs were queued because their time had come.
func (w *world) noteDue() {
	if w.seq == 0 {
		return
	}
	var due []*job
	for _, j := range w.jobs {
		if j.state == waiting && !sched.IsDelayed(j.node) {
			due = append(due, j)
		}
	}
	slices.SortFunc(due, func(a, b *job) int { return cmp.Or(cmp.Compare(a.at, b.at), a.seq-b.seq) })
	for _, j := range due {
		w.enters(j)
	}
}

// step lets a worker do the next thing: finish its job, which took d, or start
// one of its batch, or come for more.
func (w *world) step(id sched.WorkerID, d time.Duration, again bool) {
	c := w.crews[id]
	switch {
	case c == nil || c.state == rests:
		return
	case c.runs != nil:
		w.finish(c, d, again)
		return
	}
	for len(c.left) > 0 {
		j := c.left[0]
		c.left = c.left[1:]
		if w.start(c, j) {
			return
		}
	}
	w.come(c)
}

func (w *world) start(c *crew, j *job) bool {
	if j.state != queued {
		c.done.Jobs++
		return false // somebody else has ended it
	}
	w.note("worker %d starts job %d", c.id, j.id)
	w.order = append(w.order, j)
	j.started = w.now
	if w.started != nil {
		w.started(j, w.now)
	}
	j.state, c.runs = started, j
	return true
}

func (w *world) finish(c *crew, d time.Duration, again bool) {
	j := c.runs
	c.runs = nil
	c.done.Jobs++
	c.done.Took += d
	w.note("worker %d ends job %d after %v", c.id, j.id, d)
	if again && j.retries < 3 && j.node != nil {
		j.retries++
		if w.core.Again(w.now, w.now+d, j.request()) == sched.Accepted {
			w.note("job %d comes again in %v", j.id, d)
			w.waitsFor(j, d)
			w.after()
			return
		}
	}
	j.state = ended
}

// come lets a worker ask for its next order.
func (w *world) come(c *crew) {
	into := make([]*job, w.cfg.Batch)
	r := c.done
	c.done = sched.Report{}
	slow := r.Jobs > 0 && r.Took >= 10*time.Microsecond*time.Duration(r.Jobs)
	o := w.core.Next(c.id, w.now, r, into)
	for o.Do == sched.Again {
		w.handIn()
		o = w.core.Next(c.id, w.now, sched.Report{}, into)
	}
	w.note("worker %d, done with %d in %v: %d %d", c.id, r.Jobs, r.Took, o.Do, o.Jobs)
	switch o.Do {
	case sched.Run:
		w.handed(c, into[:o.Jobs], slow)
	case sched.Look:
		c.state = comes
	case sched.Rest:
		c.state = rests
	case sched.End:
		delete(w.crews, c.id)
	}
	w.after()
}

// handed checks what a worker was handed, and has it start the first.
func (w *world) handed(c *crew, jobs []*job, slow bool) {
	c.state = works
	for _, j := range jobs {
		if j.state != queued {
			w.fail("worker %d is handed job %d, which is not queued", c.id, j.id)
		}
	}
	if !w.quiet && w.cfg.Aging == 0 && (w.cfg.Batch == 1 || slow) {
		if want := w.model.next(); w.cfg.Batch == 1 && want != jobs[0] {
			w.fail("worker %d is handed job %d, and the model says %d", c.id, jobs[0].id, want.id)
		} else if oldest := w.model.oldest(jobs[0]); oldest != jobs[0] {
			w.fail("worker %d is handed job %d after a slow one, and job %d is older", c.id, jobs[0].id, oldest.id)
		}
	}
	for i, j := range jobs {
		w.model.remove(j)
		if i > 0 && j.place < jobs[i-1].place {
			w.fail("a batch has job %d after job %d", j.id, jobs[i-1].id)
		}
	}
	w.model.took(jobs[0].key)
	c.left = slices.Clone(jobs)
	for _, j := range jobs {
		j.could = w.now
	}
	w.step(c.id, 0, false)
}

func (w *world) workerIDs() []sched.WorkerID {
	var ids []sched.WorkerID
	for id := range w.crews {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// remove takes a job back that has a handle.
func (w *world) remove(j *job) {
	if j.node == nil || j.state != queued && j.state != waiting {
		return
	}
	w.note("remove job %d", j.id)
	w.model.remove(j)
	j.state = ended
	w.core.Remove(w.now, j.request())
	w.after()
}

func (w *world) removeFirst() {
	for _, j := range w.jobs {
		if j.node != nil && (j.state == queued || j.state == waiting) {
			w.remove(j)
			return
		}
	}
}

// takeOver has a queued job run elsewhere.
func (w *world) takeOver(j *job) {
	if j.node == nil || j.state != queued {
		return
	}
	w.note("job %d runs elsewhere", j.id)
	w.model.remove(j)
	j.state = started
	w.elsewhere = append(w.elsewhere, j)
	w.core.Take(w.now, j.request())
	w.after()
}

func (w *world) endElsewhere() {
	if len(w.elsewhere) == 0 {
		return
	}
	j := w.elsewhere[0]
	w.elsewhere = w.elsewhere[1:]
	j.state = ended
	w.core.Ended(w.now)
	w.after()
}

// durations that jobs take.
var durations = []time.Duration{0, time.Microsecond, 9 * time.Microsecond, 10 * time.Microsecond, time.Millisecond, time.Second}

// random does one random thing.
func (w *world) random(r *rand.Rand) {
	keys := []string{"", "", "", "a", "b"}
	switch r.IntN(20) {
	case 0, 1, 2:
		j := w.newJob(keys[r.IntN(len(keys))], r.IntN(3)-1)
		w.submit(j, sched.WhenFull(r.IntN(3)))
	case 3, 4:
		w.submitAll(1 + r.IntN(40))
	case 5:
		w.later(w.newJob(keys[r.IntN(len(keys))], r.IntN(2)), durations[r.IntN(len(durations))])
	case 6:
		if len(w.jobs) > 0 {
			w.remove(w.jobs[max(0, len(w.jobs)-1-r.IntN(50))])
		}
	case 7:
		w.pass(durations[r.IntN(len(durations))])
	case 8:
		if len(w.jobs) > 0 {
			w.takeOver(w.jobs[max(0, len(w.jobs)-1-r.IntN(50))])
		}
		w.endElsewhere()
	case 9:
		if len(w.waits) > 0 && r.IntN(4) == 0 {
			w.withdraw(r.IntN(len(w.waits)))
		}
	case 10:
		w.odd(r)
	default:
		if ids := w.workerIDs(); len(ids) > 0 {
			w.step(ids[r.IntN(len(ids))], durations[r.IntN(len(durations))], r.IntN(10) == 0)
		}
	}
}

// odd does what is done seldom.
func (w *world) odd(r *rand.Rand) {
	switch r.IntN(4) {
	case 0:
		n := 1 + r.IntN(6)
		w.note("resize to %d", n)
		w.cfg.Workers = n
		w.core.Resize(w.now, n)
	case 1:
		w.note("lend")
		w.lent++
		w.core.Lend(w.now)
	case 2:
		if w.lent > 0 {
			w.note("take back")
			w.lent--
			w.core.TakeBack(w.now)
		}
	case 3:
		w.watching = true
		w.core.Watch()
	}
	w.after()
}

func (w *world) withdraw(i int) {
	s := w.waits[i]
	w.note("the submitter of job %d waits no more", s.Waiter.(*job).id)
	if !w.core.Withdraw(w.now, s) {
		w.fail("a submitter that waits cannot stop waiting")
	}
	s.Waiter.(*job).state = ended
	w.waits = slices.Delete(w.waits, i, i+1)
	w.after()
}

// finishAll drains the world, by force if abort, and checks that every job and
// every worker has ended.
func (w *world) finishAll(abort bool) {
	w.note("drain")
	w.core.Drain(w.now)
	w.after()
	if abort {
		w.note("abort")
		for w.core.Abort(w.now) {
			w.handIn()
		}
		w.after()
	}
	for i := 0; len(w.crews) > 0 || len(w.elsewhere) > 0; i++ {
		for _, id := range w.workerIDs() {
			w.step(id, durations[i%len(durations)], false)
		}
		w.endElsewhere()
		w.pass(time.Millisecond)
		if i > 10_000 {
			w.fail("%d workers and %d jobs are left", len(w.crews), w.unfinished())
		}
	}
	if n := w.unfinished(); n > 0 || w.core.Pending() > 0 || len(w.waits) > 0 {
		w.fail("%d jobs are left, %d says the core; %d submitters wait", n, w.core.Pending(), len(w.waits))
	}
}
