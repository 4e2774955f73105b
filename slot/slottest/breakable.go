package slottest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

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
	src   slot.Source
	users *atomic.Int32 // how many Breakables of src are open

	mu     sync.Mutex // guards what follows; nothing blocks while it is held
	up     context.Context
	down   context.CancelCauseFunc // ends up
	closed bool                    // up has ended for good

	silence *time.Timer // runs from Silence until its lease is over; may be nil

	line map[*brittleTicket]struct{}
	held map[*brittleSlot]struct{}
}

// NewBreakable returns a source of the slots of src, which works until it is
// told otherwise. Its Close closes src, unless a [Breakable.Peer] is still open.
func NewBreakable(src slot.Source) *Breakable { return newBreakable(src, new(atomic.Int32)) }

func newBreakable(src slot.Source, users *atomic.Int32) *Breakable {
	users.Add(1)
	b := &Breakable{src: src, users: users, line: make(map[*brittleTicket]struct{}), held: make(map[*brittleSlot]struct{})}
	b.up, b.down = context.WithCancelCause(context.Background())
	return b
}

// Peer returns another source of the same slots, as another process has one. What
// is done to one of the two, Close too, leaves the slots of the other alone.
func (b *Breakable) Peer() *Breakable { return newBreakable(b.src, b.users) }

// Expire takes the slots of key from their holders, as the end of a lease does:
// each context ends with ErrLost, and then the slot is free for others. Places in
// line stay.
func (b *Breakable) Expire(key string) {
	b.lose(slot.ErrLost, func(s *brittleSlot) bool { return s.Info().Key == key })
}

// Break makes the engine go away: all slots are lost and every claim fails with
// ErrUnavailable, until Heal.
func (b *Breakable) Break() {
	b.mu.Lock()
	b.down(slot.ErrUnavailable)
	b.mu.Unlock()
	b.lose(slot.ErrLost, anySlot)
}

// breath is how long a slot is held in silence.
const breath = 20 * time.Millisecond

// Silence cuts the source off from the engine: after a moment, as long as a lease,
// it breaks, until Heal.
func (b *Breakable) Silence() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silence = time.AfterFunc(breath, b.Break)
}

// Heal makes the engine come back.
func (b *Breakable) Heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silence != nil {
		b.silence.Stop()
	}
	if b.up.Err() != nil && !b.closed {
		b.up, b.down = context.WithCancelCause(context.Background())
	}
}

func anySlot(*brittleSlot) bool { return true }

// lose ends the slots in question with the cause, and then gives them back.
func (b *Breakable) lose(cause error, which func(*brittleSlot) bool) {
	b.mu.Lock()
	var lost []*brittleSlot
	for s := range b.held {
		if which(s) {
			lost = append(lost, s)
		}
	}
	b.mu.Unlock()
	for _, s := range lost {
		_ = s.end(cause, cause)
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
	t := &brittleTicket{Ticket: ticket, src: b, up: up}
	if !b.join(t) {
		_ = ticket.Close()
		return nil, context.Cause(up)
	}
	return t, nil
}

// join notes a place in line, unless the engine that gave it is gone.
func (b *Breakable) join(t *brittleTicket) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.up.Err() != nil {
		return false
	}
	b.line[t] = struct{}{}
	return true
}

func (b *Breakable) leave(t *brittleTicket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.line, t)
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

// errHeldAtClose is why the slots end that are held when their Breakable is closed.
var errHeldAtClose = fmt.Errorf("%w: %w", slot.ErrLost, slot.ErrClosed)

// Close gives back what is held, and closes the other source if no peer uses it.
func (b *Breakable) Close(ctx context.Context) error {
	var err error
	line, last := b.shut()
	if last {
		err = b.src.Close(ctx)
	}
	for t := range line {
		_ = t.Ticket.Close() // gives back what was granted and not asked for
	}
	b.lose(errHeldAtClose, anySlot)
	return err
}

// shut ends every claim, and returns those in line and whether no Breakable of
// the other source is open any more.
func (b *Breakable) shut() (line map[*brittleTicket]struct{}, last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		b.users.Add(-1)
		if b.up.Err() != nil {
			b.up, b.down = context.WithCancelCause(context.Background()) // what is wrong now is Close
		}
		b.down(slot.ErrClosed)
	}
	return maps.Clone(b.line), b.users.Load() == 0
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
	t.src.leave(t)
	wrapped, err := t.src.grant(s, t.up)
	return wrapped, err == nil
}

func (t *brittleTicket) Wait(ctx context.Context) (slot.Slot, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(t.up, func() { cancel(context.Cause(t.up)) })
	defer stop()
	s, err := t.Ticket.Wait(ctx)
	t.src.leave(t)
	if err != nil {
		return nil, err
	}
	return t.src.grant(s, t.up)
}

func (t *brittleTicket) Close() error {
	t.src.leave(t)
	return t.Ticket.Close()
}

// Ahead is that of the ticket of the other source.
func (t *brittleTicket) Ahead() (int, bool) { return slot.Ahead(t.Ticket) }

// grant returns a slot that can be lost, unless the engine that granted it is
// gone.
func (b *Breakable) grant(inner slot.Slot, up context.Context) (slot.Slot, error) {
	s := &brittleSlot{Slot: inner, src: b, ctx: linkctx.Join(inner.Context())}
	b.mu.Lock()
	b.held[s] = struct{}{}
	b.mu.Unlock()
	if up.Err() != nil {
		_ = s.end(slot.ErrLost, slot.ErrLost)
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
