package slottest

import (
	"context"
	"testing"
	"time"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/slot"
)

// A toyPaced is a toy for claims with a pace.
type toyPaced struct {
	*toy
	pace gcra.Pace
}

// AtPace returns the toy at a pace.
func (s *toy) AtPace(interval time.Duration, burst int) slot.Source {
	if s.fault == ignoresPaces {
		return toyPaced{s, gcra.Pace{}}
	}
	return toyPaced{s, gcra.Pace{Interval: interval, Burst: int64(burst)}}
}

func (p toyPaced) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	return p.enqueueAt(ctx, key, p.limit, p.pace)
}

func (toyPaced) Close(context.Context) error { return nil }

var toyBorn = time.Unix(0, 0)

func (s *toy) now() time.Duration { return time.Since(toyBorn) }

// book has a claim take its turn before it has a slot, as a fault.
func (s *toy) book(t *toyTicket) {
	if !t.pace.IsNone() && s.fault == makesUpForStarts {
		t.turn = max(s.now(), s.booked.Ready(t.pace))
		s.booked.Take(s.now(), t.pace)
	}
}

// ready reports whether the clock lets t go, and has the line served when it does; the
// caller holds mu.
func (s *toy) ready(t *toyTicket) bool {
	at := s.clock.Ready(t.pace)
	if s.fault == makesUpForStarts {
		at = t.turn
	}
	if t.pace.IsNone() || at <= s.now() {
		return true
	}
	time.AfterFunc(at-s.now(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.grant()
	})
	return false
}

func TestIgnoringAPaceIsFound(t *testing.T) {
	requireFound(t, ignoresPaces, "StartsComeAtThePace", "they came faster than the rate")
}

func TestMakingUpForStartsIsFound(t *testing.T) {
	requireFound(t, makesUpForStarts, "StartsComeAtThePace", "starts were made up for that could not be while all slots were held")
	requireFound(t, makesUpForStarts, "StartsComeAtThePace", "they came in the pause, or were made up for after it")
}
