package slot

import (
	"context"
	"fmt"
	"sync"
)

// An allTicket is a claim on its way through the sources of an all.
//
// Its owner moves it on, alone. Close may come at any time from anybody and
// takes away what is held; so the owner puts whatever it is granted into the
// ticket at once, and gives it back when the ticket turns out to be closed.
type allTicket struct {
	src     *all
	key     string
	trace   *Trace
	granted int // sources that have granted; the owner alone uses it

	// mu guards what follows. No source is called while it is held.
	mu     sync.Mutex
	parts  []Slot                  // what is held, in the order of the sources
	next   Ticket                  // the place in the line of the next source, or nil
	wake   context.CancelCauseFunc // ends the Wait that blocks, or nil
	closed bool                    // nothing is held, or the holder of the slot holds it
}

// advance claims from one source after the other until one has no slot free.
func (t *allTicket) advance(ctx context.Context) error {
	for t.granted < len(t.src.sources) {
		ticket, err := t.src.sources[t.granted].Enqueue(ctx, t.key)
		if err != nil {
			return err
		}
		s, ok := ticket.Slot()
		if !ok {
			return t.waitFor(ticket)
		}
		if err := t.add(s); err != nil {
			return err
		}
	}
	return nil
}

// waitFor makes next the ticket that Wait waits for.
func (t *allTicket) waitFor(next Ticket) error {
	t.mu.Lock()
	closed := t.closed
	if !closed {
		t.next = next
	}
	t.mu.Unlock()
	if closed {
		_ = next.Close()
		return ErrClosed
	}
	return nil
}

// add puts a slot that was granted to those that are held.
func (t *allTicket) add(s Slot) error {
	t.granted++
	t.mu.Lock()
	closed := t.closed
	if !closed {
		t.parts, t.next = append(t.parts, s), nil
	}
	t.mu.Unlock()
	if closed {
		_ = s.Release()
		return ErrClosed
	}
	return nil
}

func (t *allTicket) Slot() (Slot, bool) {
	if t.granted < len(t.src.sources) {
		return nil, false
	}
	s, err := t.take()
	return s, err == nil
}

func (t *allTicket) Wait(ctx context.Context) (Slot, error) {
	s, err := t.waitAll(ctx)
	if err != nil {
		_ = t.Close()
	}
	return s, err
}

func (t *allTicket) waitAll(ctx context.Context) (Slot, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if t.trace != nil {
		ctx = WithTrace(ctx, t.trace) // for the sources that are still to come
	}
	for t.granted < len(t.src.sources) {
		if err := t.waitNext(ctx, cancel); err != nil {
			return nil, err
		}
		if err := t.advance(ctx); err != nil {
			return nil, err
		}
	}
	return t.take()
}

// waitNext waits for the slot of the next source. It ends early when ctx does,
// which it ends itself when a slot that is held already is lost.
func (t *allTicket) waitNext(ctx context.Context, cancel context.CancelCauseFunc) error {
	next, held, err := t.block(cancel)
	if err != nil {
		return err
	}
	for _, part := range held {
		stop := context.AfterFunc(part.Context(), func() {
			cancel(fmt.Errorf("slot: key %q: a slot that All held was lost while it waited for the next: %w",
				t.key, context.Cause(part.Context())))
		})
		defer stop()
	}
	s, err := next.Wait(ctx)
	if err != nil {
		return err
	}
	return t.add(s)
}

// block returns what Wait waits for and what it holds meanwhile, and lets Close
// end that.
func (t *allTicket) block(wake context.CancelCauseFunc) (Ticket, []Slot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, nil, ErrClosed
	}
	t.wake = wake
	return t.next, t.parts, nil
}

// take makes the parts one slot, which is its holder's.
func (t *allTicket) take() (Slot, error) {
	t.mu.Lock()
	parts, closed := t.parts, t.closed
	t.parts, t.closed = nil, true
	t.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	return t.src.newSlot(t.key, parts)
}

// Ahead is that of the line in which the claim is now: those of later sources are
// still to come.
func (t *allTicket) Ahead() (int, bool) {
	t.mu.Lock()
	next := t.next
	t.mu.Unlock()
	return Ahead(next)
}

func (t *allTicket) Close() error {
	t.mu.Lock()
	parts, next, wake := t.parts, t.next, t.wake
	t.parts, t.next, t.wake, t.closed = nil, nil, nil, true
	t.mu.Unlock()
	if wake != nil {
		wake(ErrClosed)
	}
	if next != nil {
		_ = next.Close()
	}
	_ = releaseAll(parts)
	return nil
}
