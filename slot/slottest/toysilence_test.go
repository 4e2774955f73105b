package slottest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// This file makes sources that do one thing wrong while their engine is silent.

type deafness int

const (
	hasNoGuard    deafness = iota // what was lost ends when the engine says so, and no sooner
	usesOldGrants                 // a grant counts from when it arrives
)

// A deaf source believes its engine, and no clock.
type deaf struct {
	*Breakable
	fault deafness

	mu    sync.Mutex
	heard chan struct{} // closed unless the engine is silent
}

func newDeaf(limit int, fault deafness) *deaf {
	d := &deaf{Breakable: NewBreakable(slot.NewLocal(limit)), fault: fault, heard: make(chan struct{})}
	close(d.heard)
	return d
}

func (d *deaf) Silence() {
	d.mu.Lock()
	d.heard = make(chan struct{})
	d.mu.Unlock()
	d.Breakable.Silence()
}

func (d *deaf) Heal() {
	d.Breakable.Heal()
	close(d.hears())
}

// hears returns what is closed once the engine is heard.
func (d *deaf) hears() chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.heard
}

func (d *deaf) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	ticket, err := d.Breakable.Enqueue(ctx, key)
	return &deafTicket{ticket, d}, err
}

type deafTicket struct {
	slot.Ticket
	src *deaf
}

func (t *deafTicket) Slot() (slot.Slot, bool) {
	s, ok := t.Ticket.Slot()
	if !ok || t.src.fault != hasNoGuard {
		return s, ok
	}
	return t.src.unguarded(s), true
}

func (t *deafTicket) Wait(ctx context.Context) (slot.Slot, error) {
	s, err := t.Ticket.Wait(ctx)
	switch {
	case err != nil:
		return nil, err
	case t.src.fault == hasNoGuard:
		return t.src.unguarded(s), nil
	case !isClosed(t.src.hears()):
		<-t.src.hears()
		return newDeafSlot(s), nil
	}
	return s, nil
}

func (d *deaf) unguarded(s slot.Slot) slot.Slot {
	own := newDeafSlot(s)
	context.AfterFunc(s.Context(), func() {
		<-d.hears()
		own.end(context.Cause(s.Context()))
	})
	return own
}

// A deafSlot has a context of its own.
type deafSlot struct {
	slot.Slot
	ctx context.Context
	end context.CancelCauseFunc
}

func newDeafSlot(s slot.Slot) *deafSlot {
	own := &deafSlot{Slot: s}
	own.ctx, own.end = context.WithCancelCause(context.Background())
	return own
}

func (s *deafSlot) Context() context.Context { return s.ctx }

func (s *deafSlot) Release() error {
	defer s.end(slot.ErrReleased)
	return s.Slot.Release()
}

// requireHeard fails unless that check finds the fault.
func requireHeard(t *testing.T, fault deafness, check string) {
	t.Helper()
	for _, limit := range []int{1, 3} {
		found := failures(t, func(*testing.T) Harness {
			d := newDeaf(limit, fault)
			return Harness{Source: d, Peer: d.Peer(), Silence: d.Silence, Heal: d.Heal}
		})
		require.Contains(t, found, check, "limit %d", limit)
		require.Contains(t, strings.Join(found[check], "\n"), "limit is passed", "limit %d", limit)
	}
}

func TestAMissingGuardIsFound(t *testing.T) {
	requireHeard(t, hasNoGuard, "ASlotEndsBeforeItsLeaseInSilence")
}

func TestAnOldGrantThatIsUsedIsFound(t *testing.T) {
	requireHeard(t, usesOldGrants, "AGrantThatComesTooLateIsNotUsed")
}

func TestSilenceWithoutAPeerOrAnEndIsRefused(t *testing.T) {
	src := NewBreakable(slot.NewLocal(1))
	for _, h := range []Harness{
		{Source: src, Silence: src.Silence, Heal: src.Heal},
		{Source: src, Silence: src.Silence, Peer: src.Peer()},
	} {
		found := failures(t, func(*testing.T) Harness { return h })
		require.Contains(t, strings.Join(found["ASlotEndsBeforeItsLeaseInSilence"], "\n"), "needs a Peer")
	}
}
