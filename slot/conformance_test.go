package slot_test

import (
	"testing"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

func TestLocalKeepsThePromisesOfASource(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		return slottest.Harness{Source: slot.NewLocal(3), FIFO: true, Prompt: true, Strict: true}
	})
}

func TestLocalKeyedKeepsThePromisesOfASource(t *testing.T) {
	slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
		return slottest.Harness{Source: slot.NewLocalKeyed(1), FIFO: true, Prompt: true, Strict: true}
	})
}

// The scarce source is the last one, then the first, so that claims wait with
// something held and with nothing. Only in the second case is there one line.
func TestAllKeepsThePromisesOfASource(t *testing.T) {
	for _, limits := range [][2]int{{3, 2}, {2, 3}} {
		slottest.RunSynctest(t, func(*testing.T) slottest.Harness {
			first := slottest.NewBreakable(slot.NewLocalKeyed(limits[0]))
			last := slottest.NewBreakable(slot.NewLocal(limits[1]))
			return slottest.Harness{
				Source: slot.All(first, last), Peer: slot.All(first.Peer(), last.Peer()),
				Abandon: true, FIFO: limits[0] < limits[1], Prompt: true,
				TakeAway: last.Expire, Expire: last.Expire, Silence: first.Silence, Break: first.Break, Heal: first.Heal,
			}
		})
	}
}
