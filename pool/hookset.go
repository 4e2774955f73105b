package pool

import (
	"context"
	"time"

	"github.com/berth-go/berth/pool/internal/sched"
)

// hookSet calls the hooks of a pool, in the order in which they were given, and
// catches their panics.
type hookSet struct {
	p    *Pool
	list []Hooks
}

// caught is deferred around each call of a function of the user's: it counts its
// panic.
func (p *Pool) caught() {
	if recover() != nil {
		p.hookPanics.Add(1)
	}
}

// contained calls f on a goroutine of its own and waits for it, so that
// runtime.Goexit ends nothing but f. What is called for each job cannot afford
// that, and has what follows deferred.
func contained(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// tell calls a hook.
func tell[Event any](s *hookSet, f func(context.Context, Event), ctx context.Context, e Event) {
	defer s.p.caught()
	f(ctx, e)
}

// tellAside is tell for one of several tasks that end at once: a hook that calls
// runtime.Goexit must not keep the others from their results.
func (s *hookSet) tellAside(f func(context.Context, FinishEvent), ctx context.Context, e FinishEvent) {
	contained(func() { tell(s, f, ctx, e) })
}

// derive calls a hook that may return another context. Without one, or if it
// panics, the context stays.
func derive[Event any](s *hookSet, f func(context.Context, Event) context.Context, ctx context.Context, e Event) (next context.Context) {
	next = ctx
	defer s.p.caught()
	if derived := f(ctx, e); derived != nil {
		next = derived
	}
	return next
}

func (s *hookSet) event(t *Task, i int, at time.Time) JobEvent {
	m := t.more()
	return JobEvent{
		Name: m.name, Key: t.key(), Priority: m.priority, SlotKey: m.slotKey, Attempt: m.attempt,
		At: at, Submitted: m.submitted, Ready: m.ready, State: &m.states[i],
	}
}

// now returns the time by the clock that was read when the task was submitted: a
// step of the wall clock does not bend what is told of a task, and it costs one
// reading and not two.
func (m *taskMore) now() time.Time { return m.submitted.Add(time.Since(m.submitted)) }

func (s *hookSet) submitted(t *Task, after time.Duration) {
	m := t.extra()
	m.slotKey, _ = s.p.slotKeyOf(t.key()) // without one the task is refused
	m.submitted = time.Now()
	if m.states = m.state[:]; len(s.list) > 1 {
		m.states = make([]any, len(s.list))
	}
	m.ready = m.submitted.Add(after)
	for i := range s.list {
		if f := s.list[i].Submitted; f != nil {
			tell(s, f, t.parent(), s.event(t, i, m.submitted))
		}
	}
}

func (s *hookSet) start(ctx context.Context, t *Task) context.Context {
	m := t.more()
	now := m.now()
	if m.attempt == 1 {
		m.firstStart = now
	}
	for i := range s.list {
		f := s.list[i].Start
		if f == nil {
			continue
		}
		e := StartEvent{JobEvent: s.event(t, i, now), Ahead: -1}
		if h := t.hold(); h != nil {
			e.Slot, e.Claimed, e.SingleUse, e.Reused = h.slot, h.claimed, h.single, h.reused || m.nested
			e.Ahead = h.ahead
		}
		e.Waited = s.waited(t, now)
		ctx = derive(s, f, ctx, e)
	}
	return ctx
}

// noWait is how long a job may take to start that has not waited for anything.
const noWait = time.Millisecond

var waitReasons = [...]WaitReason{
	sched.ForNothing: WaitNone, sched.ForWorker: WaitForWorker, sched.ForPlace: WaitForPlace,
	sched.ForSlot: WaitForSlot, sched.ForEngine: WaitForEngine,
}

// waited returns what an attempt that starts now has waited for.
func (s *hookSet) waited(t *Task, now time.Time) WaitReason {
	m, h := t.more(), t.hold()
	switch {
	case now.Sub(m.ready) < noWait:
		return WaitNone
	case h == nil || m.nested: // it runs under no slot, or under that of the job that waits for it
		return WaitForWorker
	}
	return waitReasons[h.claim.Waited(m.ready.Sub(s.p.began), now.Sub(s.p.began))]
}

func (s *hookSet) retry(ctx context.Context, t *Task, r *retryAfter) {
	m := t.more()
	e := RetryEvent{Err: m.lastErr, Delay: r.wait(), NotYet: r.notYet}
	if r.notYet {
		e.Err = r.err
	}
	if h := t.hold(); h != nil {
		e.Slot = h.slot
	}
	now := m.now()
	for i := range s.list {
		if f := s.list[i].Retry; f != nil {
			e.JobEvent = s.event(t, i, now)
			tell(s, f, ctx, e)
		}
	}
	m.ready = time.Time{}
}

func (s *hookSet) finish(ctx context.Context, t *Task, e FinishEvent) {
	now := t.more().now()
	for i := range s.list {
		f := s.list[i].Finish
		if f == nil {
			continue
		}
		e.JobEvent = s.event(t, i, now)
		if !e.Running && t.more().runs > 0 && e.Ready.After(now) {
			e.Ready = time.Time{} // it backs off
		}
		if e.Running {
			tell(s, f, ctx, e)
		} else {
			s.tellAside(f, ctx, e)
		}
	}
}

// overrun tells of a job that ignores its context. The job still runs, so what
// its goroutine writes is not read: the event has what is fixed.
func (s *hookSet) overrun(h *hold, t *Task) {
	e := JobEvent{At: time.Now()}
	ctx := s.p.base
	if t != nil {
		m := t.more()
		e.Name, e.Key, e.Priority, ctx = m.name, t.key(), m.priority, t.parent()
		e.SlotKey, e.Submitted = m.slotKey, m.submitted
	} else if h != nil {
		e.SlotKey = h.key
	}
	for i := range s.list {
		if f := s.list[i].Overrun; f != nil {
			if t != nil {
				e.State = &t.more().states[i]
			}
			tell(s, f, ctx, e)
		}
	}
}

func (s *hookSet) enqueue(ctx context.Context, e SlotEvent) context.Context {
	e.At = e.Claimed
	for i := range s.list {
		if f := s.list[i].Enqueue; f != nil {
			contained(func() { ctx = derive(s, f, ctx, e) })
		}
	}
	return ctx
}

// slotEvent calls the hook that pick finds in each set.
func (s *hookSet) slotEvent(e SlotEvent, pick func(*Hooks) func(SlotEvent)) {
	e.At = time.Now()
	for i := range s.list {
		if f := pick(&s.list[i]); f != nil {
			contained(func() { s.tellSlot(f, e) })
		}
	}
}

func (s *hookSet) tellSlot(f func(SlotEvent), e SlotEvent) {
	defer s.p.caught()
	f(e)
}

func (s *hookSet) queued(e SlotEvent) {
	s.slotEvent(e, func(h *Hooks) func(SlotEvent) { return h.Queued })
}

func (s *hookSet) granted(e SlotEvent) {
	s.slotEvent(e, func(h *Hooks) func(SlotEvent) { return h.Granted })
}

func (s *hookSet) released(e SlotEvent) {
	s.slotEvent(e, func(h *Hooks) func(SlotEvent) { return h.Released })
}

func (s *hookSet) lost(e SlotEvent) {
	s.slotEvent(e, func(h *Hooks) func(SlotEvent) { return h.Lost })
}

func (s *hookSet) failed(e SlotEvent) {
	s.slotEvent(e, func(h *Hooks) func(SlotEvent) { return h.Failed })
}
