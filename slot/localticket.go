package slot

import (
	"container/list"
	"context"
	"fmt"
	"time"

	"github.com/berth-go/berth/internal/gcra"
)

// ticketState says who owns what a ticket claimed.
type ticketState int

const (
	ticketQueued  ticketState = iota // in line
	ticketGranted                    // the ticket holds a slot
	ticketTaken                      // the slot was returned and is its holder's
	ticketClosed                     // nothing is held
)

func (s ticketState) String() string {
	switch s {
	case ticketQueued:
		return "queued"
	case ticketGranted:
		return "granted"
	case ticketTaken:
		return "taken"
	case ticketClosed:
		return "closed"
	}
	return fmt.Sprintf("ticketState(%d)", int(s))
}

// A localTicket is a place in a line.
type localTicket struct {
	src   *Local
	line  *line
	key   string
	limit int
	pace  gcra.Pace
	trace *Trace
	place *list.Element // its place in line.waiting while it is queued
	ready chan struct{} // closed when it leaves the state queued; nil if it never was

	since time.Duration // when it joined the line, since src.start
	ahead int           // how many were in line then

	// Guarded by src.mu.
	state ticketState
	slot  *localSlot // set once it is granted
}

func (t *localTicket) Slot() (Slot, bool) {
	if t.ready != nil {
		return nil, false
	}
	s, err := t.take()
	return s, err == nil
}

func (t *localTicket) Wait(ctx context.Context) (Slot, error) {
	if t.ready != nil {
		select {
		case <-t.ready:
		case <-ctx.Done():
			// A slot may have been granted since; Close puts it back.
			_ = t.Close()
			return nil, context.Cause(ctx)
		}
	}
	return t.take()
}

// take hands the slot to the ticket's owner.
func (t *localTicket) take() (Slot, error) {
	t.src.mu.Lock()
	defer t.src.mu.Unlock()
	switch {
	case t.state == ticketQueued:
		panic("bug: slot: a queued ticket is ready")
	case t.state == ticketClosed, t.src.closed:
		return nil, ErrClosed
	}
	t.state = ticketTaken
	return t.slot, nil
}

// Ahead returns how many were in line when it joined.
func (t *localTicket) Ahead() (int, bool) { return t.ahead, t.ready != nil }

func (t *localTicket) Close() error {
	s, left := t.abandon()
	if left {
		t.src.serve(t.line) // it may have been what those behind it waited for
	}
	if s != nil {
		return s.Release()
	}
	return nil
}

// abandon leaves the line, or returns the slot that has to go back.
func (t *localTicket) abandon() (s *localSlot, left bool) {
	t.src.mu.Lock()
	defer t.src.mu.Unlock()
	switch t.state {
	case ticketQueued:
		t.src.leave(t)
		return nil, true
	case ticketGranted:
		t.state = ticketClosed
		return t.slot, false
	}
	return nil, false
}

// tell tells the trace of a claim how it began. If that panics, nobody has the
// ticket.
func (t *localTicket) tell() {
	told := false
	defer func() {
		if !told {
			_ = t.Close()
		}
	}()
	if t.ready != nil {
		t.trace.queued(time.Now())
	} else {
		t.trace.granted(t.slot.at)
	}
	told = true
}
