package slot

import (
	"container/list"
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// A line is the slots of one key and the tickets that wait for them. The
// semaphore counts the slots. It cannot keep the line as well: its Acquire
// takes a place and waits for the slot in one step, and a ticket has to do the
// first without the second.
//
// Invariant: nobody waits while a slot is free, so a slot that comes back goes
// to the first in line and never to a newcomer.
type line struct {
	key     string
	free    *semaphore.Weighted
	waiting list.List // of *localTicket, the first to be granted in front
	users   int       // slots held and tickets waiting
}

func newLine(key string, limit int) *line {
	return &line{key: key, free: semaphore.NewWeighted(int64(limit))}
}

// takeFree takes a slot if one is free.
func (ln *line) takeFree() bool { return ln.free.TryAcquire(1) }

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
	trace *Trace
	place *list.Element // its place in line.waiting while it is queued
	ready chan struct{} // closed when it leaves the state queued; nil if it never was

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

func (t *localTicket) Close() error {
	if s := t.abandon(); s != nil {
		return s.Release()
	}
	return nil
}

// abandon leaves the line, or returns the slot that has to go back.
func (t *localTicket) abandon() *localSlot {
	t.src.mu.Lock()
	defer t.src.mu.Unlock()
	switch t.state {
	case ticketQueued:
		t.src.leave(t)
	case ticketGranted:
		t.state = ticketClosed
		return t.slot
	}
	return nil
}
