package pool

import (
	"context"
	"time"

	"github.com/sourcegraph/conc/panics"
)

// hookSet calls the hooks of a pool, in the order in which they were given, and
// catches their panics.
type hookSet struct {
	p    *Pool
	list []Hooks
}

// safely calls f and counts its panic.
func (s *hookSet) safely(f func()) {
	if panics.Try(f) != nil {
		s.p.hookPanics.Add(1)
	}
}

func (s *hookSet) event(t *Task, i int, at time.Time) JobEvent {
	m := t.more
	return JobEvent{
		Name: m.name, Key: t.key, Priority: m.priority, SlotKey: s.p.slotKeyOf(t.key), Attempt: m.attempt,
		At: at, Submitted: m.submitted, Ready: m.ready, State: &m.states[i],
	}
}

func (s *hookSet) submitted(t *Task) {
	m := t.extra()
	m.submitted, m.states = time.Now(), make([]any, len(s.list))
	m.ready = m.submitted
	if m.delay != nil {
		m.ready = m.delay.at
	}
	for i := range s.list {
		if f := s.list[i].Submitted; f != nil {
			s.safely(func() { f(t.parent, s.event(t, i, m.submitted)) })
		}
	}
}

func (s *hookSet) start(ctx context.Context, t *Task) context.Context {
	now := time.Now()
	for i := range s.list {
		f := s.list[i].Start
		if f == nil {
			continue
		}
		e := StartEvent{JobEvent: s.event(t, i, now)}
		if h := t.hold.Load(); h != nil {
			e.Slot, e.Claimed, e.SingleUse, e.Reused = h.slot, h.claimed, h.single, h.jobs > 0 || t.more.nested
		}
		s.safely(func() {
			if next := f(ctx, e); next != nil {
				ctx = next
			}
		})
	}
	return ctx
}

func (s *hookSet) retry(ctx context.Context, t *Task, e RetryEvent) {
	now := time.Now()
	for i := range s.list {
		if f := s.list[i].Retry; f != nil {
			e.JobEvent = s.event(t, i, now)
			s.safely(func() { f(ctx, e) })
		}
	}
	t.more.ready = time.Time{}
}

func (s *hookSet) finish(ctx context.Context, t *Task, e FinishEvent) {
	now := time.Now()
	for i := range s.list {
		if f := s.list[i].Finish; f != nil {
			e.JobEvent = s.event(t, i, now)
			s.safely(func() { f(ctx, e) })
		}
	}
}

// overrun tells of a job that ignores its context. The job still runs, so what
// its goroutine writes is not read: the event has what is fixed.
func (s *hookSet) overrun(h *hold, t *Task) {
	e := JobEvent{At: time.Now()}
	ctx := s.p.base
	if t != nil {
		e.Name, e.Key, e.Priority, ctx = t.more.name, t.key, t.more.priority, t.parent
		e.SlotKey, e.Submitted = s.p.slotKeyOf(t.key), t.more.submitted
	} else if h != nil {
		e.SlotKey = h.group.key
	}
	for i := range s.list {
		if f := s.list[i].Overrun; f != nil {
			if t != nil {
				e.State = &t.more.states[i]
			}
			s.safely(func() { f(ctx, e) })
		}
	}
}

func (s *hookSet) enqueue(ctx context.Context, e SlotEvent) context.Context {
	e.At = e.Claimed
	for i := range s.list {
		if f := s.list[i].Enqueue; f != nil {
			s.safely(func() {
				if next := f(ctx, e); next != nil {
					ctx = next
				}
			})
		}
	}
	return ctx
}

// slotEvent calls the hook that pick finds in each set.
func (s *hookSet) slotEvent(e SlotEvent, pick func(*Hooks) func(SlotEvent)) {
	e.At = time.Now()
	for i := range s.list {
		if f := pick(&s.list[i]); f != nil {
			s.safely(func() { f(e) })
		}
	}
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
