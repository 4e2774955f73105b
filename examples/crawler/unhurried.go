package main

import (
	"context"
	"time"

	"github.com/berth-go/berth/slot"
)

// unhurried is a source whose slots may be used however long after their grant.
//
// A slot with a pace has to be used soon (see slot.Pace), or the start under it comes
// close to the next one's. But where both the hosts and all of them together have a
// pace, a host's slot waits for its turn in all. Were it given back for that, its
// turn would be lost, and with hosts enough nearly all would be: nothing would start.
// So starts on a host can come as much closer as they waited for their turns, -per-host
// of them at most, and those in all are as far apart as they should.
type unhurried struct{ slot.Source }

func (u unhurried) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	t, err := u.Source.Enqueue(ctx, key)
	if err != nil {
		return nil, err
	}
	return unhurriedTicket{t}, nil
}

func (u unhurried) Try(ctx context.Context, key string) (slot.Slot, bool, error) {
	s, ok, err := slot.Try(ctx, u.Source, key)
	if !ok || err != nil {
		return nil, false, err
	}
	return unhurriedSlot{s}, true, nil
}

type unhurriedTicket struct{ slot.Ticket }

func (t unhurriedTicket) Slot() (slot.Slot, bool) {
	s, ok := t.Ticket.Slot()
	if !ok {
		return nil, false
	}
	return unhurriedSlot{s}, true
}

func (t unhurriedTicket) Wait(ctx context.Context) (slot.Slot, error) {
	s, err := t.Ticket.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return unhurriedSlot{s}, nil
}

type unhurriedSlot struct{ slot.Slot }

// Unwrap returns the slot with its pace.
func (s unhurriedSlot) Unwrap() slot.Slot { return s.Slot }

// Abandon leaves the slot to its lease.
func (s unhurriedSlot) Abandon() {
	if a, ok := s.Slot.(slot.Abandoner); ok {
		a.Abandon()
	}
}

func (s unhurriedSlot) Info() slot.Info {
	in := s.Slot.Info()
	in.StartBy = time.Time{}
	return in
}
