package slot

import (
	"context"
	"errors"
	"sync"

	"github.com/berth-go/berth/internal/linkctx"
)

// A place is one in the line of the source, or in that of the local share.
type place struct {
	ticket Ticket
	back   *linkctx.Context // in the line of the local share: ends when the source is back
}

// A fallbackTicket is a place that moves to the other line when the source goes
// away and when it comes back.
type fallbackTicket struct {
	src *fallback
	key string

	mu     sync.Mutex // guards what follows; no source is called while it is held
	place  place
	closed bool
}

func (t *fallbackTicket) now() place {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.place
}

func (t *fallbackTicket) Slot() (Slot, bool) {
	p := t.now()
	s, ok := p.ticket.Slot()
	if !ok {
		return nil, false
	}
	return p.wrap(s), true
}

func (t *fallbackTicket) Wait(ctx context.Context) (Slot, error) {
	for {
		p := t.now()
		s, moves, err := t.waitAt(ctx, p)
		if err == nil {
			return p.wrap(s), nil
		}
		if !moves {
			return nil, err
		}
		if err := t.move(ctx); err != nil {
			return nil, err
		}
	}
}

// waitAt waits for the slot of a place, and says whether the claim has to move
// to the other line: when the source is gone, or when it is back.
func (t *fallbackTicket) waitAt(ctx context.Context, p place) (s Slot, moves bool, err error) {
	if p.back == nil {
		s, err = p.ticket.Wait(ctx)
		return s, t.src.outages.note(ctx, t.key, err) != nil, err
	}
	untilBack := linkctx.Under(p.back, ctx)
	defer untilBack.Cancel(nil)
	s, err = p.ticket.Wait(untilBack)
	return s, errors.Is(err, errBack), err
}

// move takes a place where claims go now. The one before is given up already.
func (t *fallbackTicket) move(ctx context.Context) error {
	p, err := t.src.enqueue(ctx, t.key)
	if err != nil {
		return err
	}
	t.mu.Lock()
	closed := t.closed
	if !closed {
		t.place = p
	}
	t.mu.Unlock()
	if closed {
		_ = p.ticket.Close()
		return ErrClosed
	}
	return nil
}

// Ahead is that of the line in which the claim is now.
func (t *fallbackTicket) Ahead() (int, bool) { return Ahead(t.now().ticket) }

func (t *fallbackTicket) Close() error {
	t.mu.Lock()
	t.closed = true
	p := t.place
	t.mu.Unlock()
	return p.ticket.Close()
}

// wrap marks a slot of the local share as one.
func (p place) wrap(s Slot) Slot {
	if p.back != nil {
		return localShare{s}
	}
	return s
}

// A localShare is a slot of the local share, which is not one of the limit that
// the source keeps.
type localShare struct{ Slot }

// Unwrap returns the slot of the local source.
func (s localShare) Unwrap() Slot { return s.Slot }

// Abandon leaves the slot to its lease, which few local sources have.
func (s localShare) Abandon() { abandon(s.Slot) }

func (s localShare) Info() Info {
	in := s.Slot.Info()
	in.Strict, in.Fence = false, 0
	return in
}
