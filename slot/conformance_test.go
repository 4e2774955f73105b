package slot_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

func TestLocalKeepsThePromisesOfASource(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		return slottest.Harness{Source: slot.NewLocal(3), FIFO: true, Prompt: true, Strict: true, Inspect: true, Control: true, Pace: true}
	})
}

// limited returns a source of n slots to which a key such as "k/5" brings another
// limit.
func limited(n int) *slot.Local {
	return slot.NewLocalLimits(slot.LimitBy(func(key string) (string, int, error) {
		name, limit, brings := strings.Cut(key, "/")
		if !brings {
			return name, n, nil
		}
		other, err := strconv.Atoi(limit)
		return name, other, err
	}))
}

// bringing is a source of the slots of a limited one whose claims bring a limit.
type bringing struct {
	slot.Source
	limit int
}

func (b bringing) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	return b.Source.Enqueue(ctx, fmt.Sprint(key, "/", b.limit))
}

// bringingTo is the OwnLimits of a harness whose slots are those of src.
func bringingTo(src *slottest.Breakable) func(int) slot.Source {
	return func(n int) slot.Source { return bringing{src.Peer(), n} }
}

func TestLocalWithTheLimitsOfAFunctionKeepsThePromisesOfASource(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		src := limited(2)
		return slottest.Harness{
			Source: src, FIFO: true, Prompt: true, Strict: true, Inspect: true, Control: true, Pace: true,
			OwnLimits: func(n int) slot.Source { return bringing{src, n} },
		}
	})
}

func TestLocalKeyedKeepsThePromisesOfASource(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		return slottest.Harness{Source: slot.NewLocalKeyed(1), FIFO: true, Prompt: true, Strict: true, Inspect: true, Control: true, Pace: true}
	})
}

// At a rate that stops nobody, and by each of two ways.
func TestPaceKeepsThePromisesOfASource(t *testing.T) {
	rate, burst := slot.Every(time.Nanosecond), 10_000
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		src := limited(2)
		return slottest.Harness{
			Source: slot.Pace(src, rate, burst), FIFO: true, Prompt: true, Strict: true, Inspect: true, Control: true,
			OwnLimits: func(n int) slot.Source { return bringing{src, n} },
		}
	})
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		return slottest.Harness{Source: slot.Pace(unkept{limited(2)}, rate, burst), Prompt: true, Strict: true, Inspect: true, Control: true}
	})
}

// unkept is a source without a clock.
type unkept struct{ src *slot.Local }

func (u unkept) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	return u.src.Enqueue(ctx, key)
}
func (u unkept) Close(ctx context.Context) error { return u.src.Close(ctx) }
func (u unkept) Unwrap() slot.Source             { return u.src }
func (u unkept) Limit(key string) (int, bool)    { return u.src.Limit(key) }
func (u unkept) Turns(burst int) slot.Source     { return turnsOf{u.src, burst} }

func TestASourceWithoutAClockKeepsAPaceByTurns(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		return slottest.Harness{Source: unkept{limited(2)}, FIFO: true, Prompt: true, Strict: true, Inspect: true, Control: true, Pace: true}
	})
}

// The scarce source is the last one, then the first, so that claims wait with
// something held and with nothing. Only in the second case is there one line.
func TestAllKeepsThePromisesOfASource(t *testing.T) {
	for _, limits := range [][2]int{{3, 2}, {2, 3}} {
		slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
			first := slottest.NewBreakable(limited(limits[0]))
			last := slottest.NewBreakable(limited(limits[1]))
			scarce := first
			if limits[1] < limits[0] {
				scarce = last
			}
			return slottest.Harness{
				OwnLimits: bringingTo(scarce),
				Source:    slot.All(first, last), Peer: slot.All(first.Peer(), last.Peer()),
				Abandon: true, FIFO: limits[0] < limits[1], Prompt: true,
				TakeAway: last.Expire, Expire: last.Expire, Silence: first.Silence, Break: first.Break, Heal: first.Heal,
			}
		})
	}
}
