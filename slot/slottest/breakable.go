package slottest

import (
	"context"
	"sync"

	"github.com/berth-go/berth/internal/linkctx"
	"github.com/berth-go/berth/slot"
)

var (
	_ slot.Source    = (*Breakable)(nil)
	_ slot.Abandoner = (*brittleSlot)(nil)

	_ slot.Limiter     = (*Breakable)(nil)
	_ slot.Partitioner = (*Breakable)(nil)
)

// Breakable is a source whose slots can be lost and whose engine can go away
// whenever a test says so. The slots are those of another source, and a slot that
// is abandoned is lost at once. It hides what the other source can do beside
// slot.Source, but for its limit and its parts.
type Breakable struct {
	src slot.Source

	mu   sync.Mutex // guards what follows; nothing blocks while it is held
	up   context.Context
	down context.CancelCauseFunc // ends up
	held map[*brittleSlot]struct{}
}

// NewBreakable returns a source of the slots of src, which works until it is
// told otherwise. Its Close closes src.
func NewBreakable(src slot.Source) *Breakable {
	b := &Breakable{src: src, held: make(map[*brittleSlot]struct{})}
	b.up, b.down = context.WithCancelCause(context.Background())
	return b
}

// Expire takes the slots of key from their holders, as the end of a lease does:
// each context ends with ErrLost, and then the slot is free for others.
func (b *Breakable) Expire(key string) {
	b.lose(func(s *brittleSlot) bool { return s.Info().Key == key })
}

// Break makes the engine go away: all slots are lost and every claim fails with
// ErrUnavailable, until Heal.
func (b *Breakable) Break() {
	b.mu.Lock()
	b.down(slot.ErrUnavailable)
	b.mu.Unlock()
	b.lose(func(*brittleSlot) bool { return true })
}

// Heal makes the engine come back.
func (b *Breakable) Heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.up.Err() != nil {
		b.up, b.down = context.WithCancelCause(context.Background())
	}
}

func (b *Breakable) lose(which func(*brittleSlot) bool) {
	b.mu.Lock()
	var lost []*brittleSlot
	for s := range b.held {
		if which(s) {
			lost = append(lost, s)
		}
	}
	b.mu.Unlock()
	for _, s := range lost {
		s.end(slot.ErrLost, slot.ErrLost)
	}
}

func (b *Breakable) engine() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.up
}

// Enqueue claims a slot, or fails while the engine is away.
func (b *Breakable) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	up := b.engine()
	if up.Err() != nil {
		return nil, context.Cause(up)
	}
	ticket, err := b.src.Enqueue(ctx, key)
	if err != nil {
		return nil, err
	}
	return &brittleTicket{Ticket: ticket, src: b, up: up}, nil
}

// Limit returns the limit of key in the other source.
func (b *Breakable) Limit(key string) (int, bool) {
	if l, ok := b.src.(slot.Limiter); ok {
		return l.Limit(key)
	}
	return 0, false
}

// Partition returns the part of the other source that serves key.
func (b *Breakable) Partition(key string) string {
	if p, ok := b.src.(slot.Partitioner); ok {
		return p.Partition(key)
	}
	return ""
}

// Unwrap returns the other source, for slot.Check.
func (b *Breakable) Unwrap() slot.Source { return b.src }

// Close closes the other source.
func (b *Breakable) Close(ctx context.Context) error {
	err := b.src.Close(ctx)
	b.lose(func(*brittleSlot) bool { return true })
	return err
}

// A brittleTicket is a place in line that is lost when the engine goes away.
type brittleTicket struct {
	slot.Ticket
	src *Breakable
	up  context.Context
}

func (t *brittleTicket) Slot() (slot.Slot, bool) {
	s, ok := t.Ticket.Slot()
	if !ok {
		return nil, false
	}
	wrapped, err := t.src.grant(s, t.up)
	return wrapped, err == nil
}

func (t *brittleTicket) Wait(ctx context.Context) (slot.Slot, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(t.up, func() { cancel(context.Cause(t.up)) })
	defer stop()
	s, err := t.Ticket.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return t.src.grant(s, t.up)
}

// grant returns a slot that can be lost, unless the engine that granted it is
// gone.
func (b *Breakable) grant(inner slot.Slot, up context.Context) (slot.Slot, error) {
	s := &brittleSlot{Slot: inner, src: b, ctx: linkctx.Join(inner.Context())}
	b.mu.Lock()
	b.held[s] = struct{}{}
	b.mu.Unlock()
	if up.Err() != nil {
		s.end(slot.ErrLost, slot.ErrLost)
		return nil, context.Cause(up)
	}
	return s, nil
}

// A brittleSlot is a slot that Expire and Break can take away.
type brittleSlot struct {
	slot.Slot
	src  *Breakable
	ctx  *linkctx.Context
	once sync.Once
	err  error // what Release returns; written inside once
}

// Abandon loses the slot: its lease is over at once.
func (s *brittleSlot) Abandon() { _ = s.end(slot.ErrLost, slot.ErrLost) }

func (s *brittleSlot) Context() context.Context { return s.ctx }

// Unwrap returns the slot that can be taken away.
func (s *brittleSlot) Unwrap() slot.Slot { return s.Slot }

// Info says what the slot can no longer promise.
func (s *brittleSlot) Info() slot.Info {
	in := s.Slot.Info()
	in.Strict = false
	return in
}

func (s *brittleSlot) Release() error { return s.end(slot.ErrReleased, nil) }

// end ends the context and then gives the slot back. The first end decides what
// Release returns.
func (s *brittleSlot) end(cause, result error) error {
	s.once.Do(func() {
		s.ctx.Cancel(cause)
		if s.err = s.Slot.Release(); s.err == nil {
			s.err = result
		}
		s.src.mu.Lock()
		delete(s.src.held, s)
		s.src.mu.Unlock()
	})
	return s.err
}
