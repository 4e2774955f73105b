package pool

import (
	"container/heap"
	"context"
	"time"
)

// delayed is something that waits for its time: a task in its backoff, or one
// that was submitted with After, or then, which is called with the pool's mu
// held. All of them share one timer.
type delayed struct {
	at    time.Time
	task  *Task
	then  func()
	index int // in the heap, for taking it out; -1 when it is not there
}

// delays is a heap of what waits, the earliest first. It is guarded by the
// pool's mu.
type delays []*delayed

func (h delays) Len() int           { return len(h) }
func (h delays) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h delays) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *delays) Push(x any) {
	d := x.(*delayed)
	d.index = len(*h)
	*h = append(*h, d)
}

func (h *delays) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	d.index = -1
	return d
}

// delay adds d and sees to it that the timer fires in time; the caller holds mu.
func (p *Pool) delay(d *delayed) {
	heap.Push(&p.delays, d)
	if d.task != nil {
		p.waiting++
	}
	if d.index == 0 {
		p.armTimer()
	}
}

// undelay takes d out; the caller holds mu.
func (p *Pool) undelay(d *delayed) {
	heap.Remove(&p.delays, d.index)
	if d.task != nil {
		p.waiting--
	}
}

// armTimer sets the timer to the earliest time, if anything waits; the caller
// holds mu.
func (p *Pool) armTimer() {
	if len(p.delays) == 0 {
		return
	}
	in := time.Until(p.delays[0].at)
	if p.timer == nil {
		p.timer = time.AfterFunc(in, p.timeHasCome)
	} else {
		p.timer.Reset(in)
	}
}

// timeHasCome moves on what has waited long enough.
func (p *Pool) timeHasCome() {
	p.lock()
	now := time.Now()
	for len(p.delays) > 0 && !p.delays[0].at.After(now) {
		d := heap.Pop(&p.delays).(*delayed)
		if d.then != nil {
			d.then()
			continue
		}
		p.waiting--
		p.requeue(d.task, now)
	}
	p.armTimer()
	if p.queued > 0 { // else nobody is needed, and after a shutdown none may start
		p.callWorker()
	}
	p.unlock()
}

// requeue puts a task that has waited into its lane, whatever the bounds: it
// was accepted before. The caller holds mu.
func (p *Pool) requeue(t *Task, now time.Time) {
	m := t.more()
	m.delay = nil
	if p.hooks != nil {
		m.ready = now
	}
	t.become(StateQueued)
	l := p.laneOf(t.key(), t.slotKey())
	first := l.n == 0
	p.add(l, m.priority, item{task: t})
	p.attend(l, m.priority, first)
}

// enqueueLater accepts a task whose time has not come. It counts against no
// bound until then.
func (p *Pool) enqueueLater(t *Task, d *delayed) error {
	p.lock()
	defer p.unlock()
	if p.closing {
		return ErrClosed
	}
	p.submitted++
	p.delay(d)
	return nil
}

// leastPutOff is the least wait of a task that was put off: nothing else bounds
// how often a job may ask for that, and none shall be a hot loop.
const leastPutOff = 10 * time.Millisecond

// wait returns how long the task is to wait.
func (r *retryAfter) wait() time.Duration {
	if r.notYet {
		return max(r.delay, leastPutOff)
	}
	return r.delay
}

// backOff lets a task wait for its next attempt.
func (p *Pool) backOff(t *Task, ctx context.Context, r *retryAfter, c *counts) {
	m := t.extra()
	if m.runs == 0 {
		m.runs, m.attempt = 1, 1 // it had no use for the counts until now
	}
	if p.hooks != nil {
		p.hooks.retry(ctx, t, r)
	}
	m.ctx = nil
	t.sealContext()
	if r.notYet {
		m.attempt--
		c.notYet.Add(1)
	} else {
		c.retries.Add(1)
	}
	if !p.startWaiting(t, r.wait()) {
		// It has been told of as a retry, so it ends like one that waits.
		p.finish(t, t.parent(), t.endedBy(ErrShutdown), false, &p.others)
		return
	}
	// Cancel leaves word and then looks whether the task waits, this the other way
	// round: one of the two ends it.
	if cause := t.stopped(); cause != nil {
		p.drop(t, cause)
	}
}

// startWaiting lets a task wait for its next attempt, unless the pool is
// shutting down.
func (p *Pool) startWaiting(t *Task, wait time.Duration) bool {
	p.lock()
	defer p.unlock()
	if p.closing {
		return false
	}
	t.become(StateWaiting)
	d := &delayed{task: t, at: time.Now().Add(wait)}
	t.more().delay = d
	p.delay(d)
	return true
}

// endDelays ends every task that waits for its time, and returns them for the
// caller to finish without mu, which it holds now.
func (p *Pool) endDelays() []*Task {
	var tasks []*Task
	rest := p.delays[:0]
	for _, d := range p.delays {
		if d.task == nil {
			d.index = len(rest)
			rest = append(rest, d)
			continue
		}
		d.task.more().delay = nil
		d.task.become(StateRunning) // nobody else may take it now
		tasks = append(tasks, d.task)
	}
	clear(p.delays[len(rest):])
	p.delays = rest
	heap.Init(&p.delays)
	p.waiting = 0
	return tasks
}
