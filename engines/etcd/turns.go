package etcd

import (
	"context"

	"github.com/berth-go/berth/slot"
)

var (
	_ slot.Turner = (*Source)(nil)
	_ slot.Trier  = turns{}
)

// Turns returns the source for claims of turns, of which slot.Pace makes a rate: etcd has
// no clock that could grant a slot at a given time.
func (s *Source) Turns(burst int) slot.Source { return turns{s, s.limits.Turns(burst)} }

// turns is a source with other limits.
type turns struct {
	src    *Source
	limits slot.Limits
}

func (t turns) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	return t.src.enqueue(ctx, t.limits, key)
}

func (t turns) Try(ctx context.Context, key string) (slot.Slot, bool, error) {
	return t.src.try(ctx, t.limits, key)
}

// Close does nothing.
func (turns) Close(context.Context) error { return nil }
