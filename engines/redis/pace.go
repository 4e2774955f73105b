package redis

import (
	"context"
	"time"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/slot"
)

var (
	_ slot.Pacer  = (*Source)(nil)
	_ slot.Joiner = view{}
	_ slot.Trier  = view{}
)

// AtPace returns the source for claims with a pace, which slot.Pace makes. Redis keeps a
// clock for each semaphore. When it lets the first in line go, the source of that claim
// asks; what it asks late, a tenth of the interval at most, is made up for.
func (s *Source) AtPace(interval time.Duration, burst int) slot.Source {
	return view{s, gcra.Pace{Interval: interval, Burst: int64(burst)}}
}

// A view is a source for claims with a pace.
type view struct {
	src  *Source
	pace gcra.Pace
}

func (v view) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	return v.src.enqueue(ctx, key, v.pace)
}

func (v view) Try(ctx context.Context, key string) (slot.Slot, bool, error) {
	return v.src.try(ctx, key, v.pace)
}

func (v view) Join(ctx context.Context, key string, to slot.Claimant) (slot.Place, error) {
	return v.src.join(ctx, key, v.pace, to)
}

// Close does nothing.
func (v view) Close(context.Context) error { return nil }
