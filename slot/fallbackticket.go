package slot

import (
	"context"
	"sync"
)

// A fallbackTicket is a place in the line of the source, or of the local share.
type fallbackTicket struct {
	src *fallback
	key string

	// mu guards what follows. No source is called while it is held.
	mu     sync.Mutex
	inner  Ticket
	local  bool // inner is a ticket of the local share
	closed bool
}

func (t *fallbackTicket) place() (inner Ticket, local bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inner, t.local
}

func (t *fallbackTicket) Slot() (Slot, bool) {
	inner, local := t.place()
	s, ok := inner.Slot()
	if ok && local {
		s = localShare{s}
	}
	return s, ok
}

func (t *fallbackTicket) Wait(ctx context.Context) (Slot, error) {
	inner, local := t.place()
	s, err := inner.Wait(ctx)
	if !local && err != nil && t.src.fallsBack(ctx, err) {
		// The source went away with our place in its line.
		if inner, err = t.moveToLocal(ctx); err == nil {
			local = true
			s, err = inner.Wait(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	if local {
		return localShare{s}, nil
	}
	return s, nil
}

// moveToLocal takes a place in the line of the local share.
func (t *fallbackTicket) moveToLocal(ctx context.Context) (Ticket, error) {
	inner, err := t.src.local.Enqueue(ctx, t.key)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	closed := t.closed
	if !closed {
		t.inner, t.local = inner, true
	}
	t.mu.Unlock()
	if closed {
		_ = inner.Close()
		return nil, ErrClosed
	}
	return inner, nil
}

func (t *fallbackTicket) Close() error {
	t.mu.Lock()
	t.closed = true
	inner := t.inner
	t.mu.Unlock()
	return inner.Close()
}

// A localShare is a slot of the local share, which is not one of the limit that
// the source keeps.
type localShare struct{ Slot }

// Abandon leaves the slot to its lease, which few local sources have.
func (s localShare) Abandon() { abandon(s.Slot) }

func (s localShare) Info() Info {
	in := s.Slot.Info()
	in.Strict, in.Fence = false, 0
	return in
}
