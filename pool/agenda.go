package pool

import (
	"container/heap"
	"time"

	"github.com/berth-go/berth/pool/internal/sched"
)

// An agenda is what the pool has to do at some time. Everything on it, and the
// alarm of the core, share one timer.
type agenda struct {
	alarm   time.Duration // when the core wants to be told the time
	errands errands
	timer   *time.Timer   // nil until there was something to do
	set     time.Duration // when it will fire
}

// An errand is called at its time, on the timer's goroutine and without mu.
type errand struct {
	at time.Duration
	do func()
}

// errands is a heap, the earliest first.
type errands []errand

func (h errands) Len() int           { return len(h) }
func (h errands) Less(i, j int) bool { return h[i].at < h[j].at }
func (h errands) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *errands) Push(x any)        { *h = append(*h, x.(errand)) }
func (h *errands) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = errand{}
	*h = old[:len(old)-1]
	return e
}

// in has f called after d; the caller holds mu.
func (p *Pool) in(d time.Duration, f func()) {
	heap.Push(&p.agenda.errands, errand{sched.After(p.now(), d), f})
	p.setTimer()
}

// setTimer sees to it that the timer fires in time; the caller holds mu.
func (p *Pool) setTimer() {
	a := &p.agenda
	at := a.alarm
	if len(a.errands) > 0 {
		at = min(at, a.errands[0].at)
	}
	if at >= a.set || p.over {
		return
	}
	a.set = at
	if in := at - p.now(); a.timer == nil {
		a.timer = time.AfterFunc(in, p.timeHasCome)
	} else {
		a.timer.Reset(in)
	}
}

// timeHasCome is called by the timer.
func (p *Pool) timeHasCome() {
	p.lock()
	if p.over {
		p.unlock()
		return
	}
	p.alive++
	defer p.goroutineEnds()
	a, now := &p.agenda, p.now()
	a.set = sched.Never
	if a.alarm <= now {
		a.alarm = sched.Never
		for p.core.Time(now) {
			p.handIn()
		}
	}
	var due []errand
	for len(a.errands) > 0 && a.errands[0].at <= now {
		due = append(due, heap.Pop(&a.errands).(errand))
	}
	p.setTimer()
	p.unlock()
	for _, e := range due {
		e.do()
	}
}
