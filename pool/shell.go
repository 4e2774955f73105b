package pool

import (
	"sync"
	"time"

	"github.com/berth-go/berth/pool/internal/sched"
)

// This file is all that stands between the goroutines of a pool and its core.
// Whatever happens has one form:
//
//	p.lock()          // and what was injected is in its lane
//	p.core.Event(…)
//	p.unlock()        // what is recalled is handed in, and effects are carried out
//
// Nothing of the user's, nor of the source, is called in between.

// An item is a job in the core: one of a task, or one of Go that has none.
type item struct {
	task *Task
	job  Job
}

// Node returns what the core knows of a task.
func (it item) Node() *sched.Node {
	if it.task == nil {
		return nil
	}
	return &it.task.node
}

type (
	effect  = sched.Effect[item]
	request = sched.Request[item]
)

// A mutex is one that is held for moments only, so that whoever finds it held
// looks again for about as long as going to sleep and being woken takes, before
// it does that. (A sync.Mutex looks less long, and not at all while other
// goroutines wait for a processor, as workers do.) To look for as long as the sleep
// would cost is never worse than twice the best that could have been done: see
// Karlin, Li, Manasse and Owicki, "Empirical studies of competitive spinning for a
// shared-memory multiprocessor", 1991.
type mutex struct{ sync.Mutex }

// looks is how often a mutex that is held is looked at, which takes half a
// microsecond or so.
const looks = 500

func (m *mutex) Lock() {
	for range looks {
		if m.TryLock() {
			return
		}
	}
	m.Mutex.Lock()
}

// An injection queue takes in jobs without a key and a priority while nobody has
// to do anything about them, so that those who submit and those who work do not
// meet at the pool's lock for each job. Whoever takes that lock empties the queue
// first.
type injection struct {
	_    cacheLine // what submitters write is apart from what workers write
	mu   mutex     // guards what follows; may be taken with the pool's mu held
	jobs []item
	room int // how many jobs it may have; set with the pool's mu held
	_    cacheLine
}

// A cacheLine keeps what is before it and what is after it in different ones.
type cacheLine [64]byte

// mostInjected is how many jobs an injection queue takes.
const mostInjected = 256

// put takes a job in, or returns false.
func (q *injection) put(it item) bool {
	q.mu.Lock()
	ok := len(q.jobs) < q.room
	if ok {
		q.jobs = append(q.jobs, it)
	}
	q.mu.Unlock()
	return ok
}

// take empties the queue, which has no room from now on, and gives it another
// buffer: copying is for who works, not for who submits.
func (q *injection) take(spare []item) []item {
	q.mu.Lock()
	jobs := q.jobs
	q.jobs, q.room = spare[:0], 0
	q.mu.Unlock()
	return jobs
}

func (q *injection) open(room int) {
	if room <= 0 {
		return // as take has left it
	}
	q.mu.Lock()
	q.room = room
	q.mu.Unlock()
}

// now returns the time as the core counts it.
func (p *Pool) now() time.Duration { return time.Since(p.began) }

// lock begins an event.
func (p *Pool) lock() {
	p.mu.Lock()
	jobs := p.injected.take(p.spare)
	p.spare = jobs
	if len(jobs) == 0 {
		return
	}
	var at time.Duration
	if p.core.Ages() {
		at = p.now()
	}
	p.core.Inject(at, jobs)
	p.handIn()
	p.brought = true
	clear(jobs)
}

// unlock ends an event of a caller, a source or the clock. What calls the user's
// functions or the source gets a goroutine: these may block, or end the one that
// they are called on.
func (p *Pool) unlock() {
	wake, rest := p.endEvent(nil)
	if len(rest) > 0 {
		p.alive++
	}
	p.mu.Unlock()
	wake.up()
	if len(rest) > 0 {
		go func() {
			defer p.goroutineEnds()
			p.carryOut(rest)
		}()
	}
}

// unlock ends an event of a worker, which carries everything out itself.
func (w *worker) unlock() {
	wake, rest := w.p.endEvent(w.effects[:0])
	w.p.mu.Unlock()
	wake.up()
	if w.effects = rest; len(rest) > 0 {
		w.p.carryOut(rest)
		clear(rest)
	}
}

// endEvent carries out the effects that call nobody, and adds the others to
// rest. One worker is left to be woken after the lock is free, so that it does
// not run into it. The caller holds mu.
func (p *Pool) endEvent(rest []effect) (wake *worker, _ []effect) {
	if p.brought {
		p.brought = false
		p.core.Call(p.now())
	}
	p.handIn()
	p.injected.open(min(p.core.Room(), mostInjected))
	for _, e := range p.core.Effects() {
		switch e.Kind {
		case sched.Start:
			p.startWorker(e.Worker)
		case sched.Wake:
			wake.up()
			wake = p.workers[e.Worker]
		case sched.Admit:
			close(e.Submitter.Waiter.(chan struct{}))
		case sched.Alarm:
			p.agenda.alarm = e.At
			p.setTimer()
		case sched.Idle:
			close(p.idle)
			p.idle = make(chan struct{})
		default:
			if e.Kind == sched.Join {
				p.newHold(e.Claim) // before anybody can be told to leave it
			}
			rest = append(rest, e)
		}
	}
	if p.alive == 0 && len(rest) == 0 && !p.over && p.core.Over() {
		p.over = true
		close(p.quiet)
	}
	return wake, rest
}

// handIn hands in what the core has recalled; the caller holds mu.
func (p *Pool) handIn() {
	for _, id := range p.core.Recalls() {
		w := p.workers[id]
		left, ended := w.giveUpBatch()
		p.core.Recalled(id, left, ended)
	}
}

// carryOut does what calls the user's functions or the source. Where one of them
// ends the goroutine, the rest is done on its way out.
func (p *Pool) carryOut(effects []effect) {
	done := 0
	defer func() {
		if done < len(effects) {
			p.carryOut(effects[done:])
		}
	}()
	for done < len(effects) {
		e := effects[done]
		done++
		switch e.Kind {
		case sched.Finish:
			p.endUnstarted(e)
		case sched.Join:
			holdOf(e.Claim).joinLine()
		case sched.Leave:
			holdOf(e.Claim).leave()
		case sched.Release:
			holdOf(e.Claim).release()
		}
	}
}

// spawn runs f on a goroutine of the pool.
func (p *Pool) spawn(f func()) {
	p.lock()
	p.alive++
	p.unlock()
	go func() {
		defer p.goroutineEnds()
		f()
	}()
}

// goroutineEnds takes note that a goroutine of the pool is about to end.
func (p *Pool) goroutineEnds() {
	p.lock()
	p.alive--
	p.unlock()
}
