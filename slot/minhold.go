package slot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/berth-go/berth/internal/linkctx"
)

var (
	_ Source  = (*minHold)(nil)
	_ Trier   = (*minHold)(nil)
	_ Limiter = (*minHold)(nil)

	_ Partitioner = (*minHold)(nil)

	_ Abandoner = (*keptSlot)(nil)
)

// minHold keeps each slot of its source for a time.
type minHold struct {
	src     Source
	d       time.Duration           // for how long; 0: as a claim says, see turns
	invalid error                   // why every claim is refused, or nil
	open    context.Context         // ends with ErrClosed at Close
	end     context.CancelCauseFunc // ends open

	mu   sync.Mutex             // guards kept and empty; nothing blocks while it is held
	kept map[*keptSlot]struct{} // not yet given back to src
	// empty is closed and set to nil when kept becomes empty. It is made by the
	// first Close that has to wait.
	empty chan struct{}
}

// MinHold makes a limit a rate. Release returns at once and ends the slot's
// context, but the source keeps the slot, and renews its lease, until d after
// its grant was read. With N slots there are then at most N grants in any time
// d, over all processes, in the order of the line: five slots kept for a second
// are five starts a second. A job that runs longer than d keeps its slot as
// long as it runs, so N is a limit of concurrency as well.
//
// The rate is that of grants. A slot that is given back unused counts as a
// start; that its ticket was closed before the grant was taken does not. A job
// that starts long after its grant moves its own start into a later window. A
// process that dies gives its slots back at once, and so early, unless the
// engine is strict; there the leases have to end.
//
// Slots are SingleUse, so that no pool serves a second job with one. Close ends
// every context and every Wait at once and then blocks until the last slot is d
// old, or ctx ends: what is left then goes back early, and the next grants come
// sooner than the rate allows. It closes src.
//
// A d that is not positive and a nil src refuse every claim, and [Check] says
// so.
func MinHold(src Source, d time.Duration) Source {
	m := newMinHold(src)
	m.d = d
	if m.invalid == nil && d <= 0 {
		m.invalid = fmt.Errorf("slot: MinHold of %v: the time must be positive", d)
	}
	return m
}

func newMinHold(src Source) *minHold {
	m := &minHold{src: src, invalid: Check(src), kept: make(map[*keptSlot]struct{})}
	m.open, m.end = context.WithCancelCause(context.Background())
	return m
}

func (m *minHold) check() error { return m.invalid }

func (m *minHold) inside() []Source { return []Source{m.src} }

// refusal returns why no claim can be made.
func (m *minHold) refusal() error {
	if m.invalid != nil {
		return m.invalid
	}
	return context.Cause(m.open)
}

func (m *minHold) Enqueue(ctx context.Context, key string) (Ticket, error) {
	return m.enqueue(ctx, key, m.d)
}

func (m *minHold) enqueue(ctx context.Context, key string, d time.Duration) (Ticket, error) {
	if err := m.refusal(); err != nil {
		return nil, err
	}
	ticket, err := m.src.Enqueue(ctx, key)
	if err != nil {
		return nil, err
	}
	return &minHoldTicket{Ticket: ticket, src: m, d: d}, nil
}

func (m *minHold) Try(ctx context.Context, key string) (Slot, bool, error) {
	return m.try(ctx, key, m.d)
}

func (m *minHold) try(ctx context.Context, key string, d time.Duration) (Slot, bool, error) {
	if err := m.refusal(); err != nil {
		return nil, false, err
	}
	inner, ok, err := Try(ctx, m.src, key)
	if !ok || err != nil {
		return nil, false, err
	}
	s, err := m.keep(inner, d)
	return s, err == nil, err
}

// Partition returns the part of the source.
func (m *minHold) Partition(key string) string { return partitionOf(m.src, key) }

// Limit returns the limit of the source.
func (m *minHold) Limit(key string) (int, bool) { return limitOf(m.src, key) }

func (m *minHold) Close(ctx context.Context) error {
	m.end(ErrClosed)
	if m.src == nil {
		return nil
	}
	for _, s := range m.all() {
		s.end(errGivenBack)
	}
	var late error
	select {
	case <-m.whenEmpty():
	case <-ctx.Done():
		late = fmt.Errorf("slot: closed before the last slot was held for its time: %w", context.Cause(ctx))
		for _, s := range m.all() {
			s.giveBackEarly()
		}
	}
	return errors.Join(late, m.src.Close(ctx))
}

// keep returns the slot that a caller gets for inner, which is kept for the time d.
func (m *minHold) keep(inner Slot, d time.Duration) (Slot, error) {
	s := &keptSlot{Slot: inner, src: m, d: d, ctx: linkctx.Join(inner.Context())}
	m.mu.Lock()
	closed := m.open.Err() != nil
	if !closed {
		m.kept[s] = struct{}{}
	}
	m.mu.Unlock()
	if closed {
		// Nobody has had it, so it counts as no start.
		_ = inner.Release()
		return nil, ErrClosed
	}
	return s, nil
}

// all returns the slots that are kept.
func (m *minHold) all() []*keptSlot {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := make([]*keptSlot, 0, len(m.kept))
	for s := range m.kept {
		kept = append(kept, s)
	}
	return kept
}

// whenEmpty returns a channel that is closed when no slot is kept any more.
func (m *minHold) whenEmpty() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.empty == nil {
		m.empty = make(chan struct{})
	}
	empty := m.empty
	m.checkEmptyLocked()
	return empty
}

func (m *minHold) checkEmptyLocked() {
	if len(m.kept) == 0 && m.empty != nil {
		close(m.empty)
		m.empty = nil
	}
}

// A minHoldTicket is a ticket of the source whose slot will be kept.
type minHoldTicket struct {
	Ticket
	src *minHold
	d   time.Duration // for how long
}

func (t *minHoldTicket) Slot() (Slot, bool) {
	inner, ok := t.Ticket.Slot()
	if !ok {
		return nil, false
	}
	s, err := t.src.keep(inner, t.d)
	return s, err == nil
}

// Ahead is that of the ticket of the source.
func (t *minHoldTicket) Ahead() (int, bool) { return Ahead(t.Ticket) }

// Wait ends when the source is closed, although the source inside is not yet.
func (t *minHoldTicket) Wait(ctx context.Context) (Slot, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.src.open, func() { cancel(ErrClosed) })()
	inner, err := t.Ticket.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return t.src.keep(inner, t.d)
}

// A keptSlot ends for its holder at Release, and for the source when it has been
// held long enough.
type keptSlot struct {
	Slot
	src   *minHold
	d     time.Duration // from its grant on
	ctx   *linkctx.Context
	ended sync.Once
	err   error // what Release returns; written inside ended
	back  sync.Once
	timer *time.Timer // calls giveBack; written inside ended, nil without need
}

func (s *keptSlot) Context() context.Context { return s.ctx }

// Unwrap returns the slot that is kept.
func (s *keptSlot) Unwrap() Slot { return s.Slot }

func (s *keptSlot) Release() error { return s.end(ErrReleased) }

// Abandon leaves the slot to its lease, however long it was to be held.
func (s *keptSlot) Abandon() { abandon(s.Slot) }

func (s *keptSlot) Info() Info {
	in := s.Slot.Info()
	in.SingleUse = true
	return in
}

// end ends the slot for its holder and gives it back when its time has come. A
// slot that was lost goes back at once: there is nothing left to keep.
func (s *keptSlot) end(cause error) error {
	s.ended.Do(func() {
		s.ctx.Cancel(cause)
		if cause := context.Cause(s.ctx); !errors.Is(cause, ErrReleased) {
			s.err = cause
		}
		left := s.d - time.Since(s.Slot.Info().GrantedAt)
		if left <= 0 || s.Slot.Context().Err() != nil {
			s.giveBack()
			return
		}
		s.timer = time.AfterFunc(left, s.giveBack)
	})
	return s.err
}

// giveBackEarly does not wait for the timer. It is called after end.
func (s *keptSlot) giveBackEarly() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.giveBack()
}

// giveBack releases the slot to the source.
func (s *keptSlot) giveBack() {
	s.back.Do(func() {
		_ = s.Slot.Release()
		s.src.mu.Lock()
		defer s.src.mu.Unlock()
		delete(s.src.kept, s)
		s.src.checkEmptyLocked()
	})
}
