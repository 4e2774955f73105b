package slottest_test

import (
	"testing"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

func TestLocal(t *testing.T) {
	newHarness := func(*testing.T) slottest.Harness {
		return slottest.Harness{Source: slot.NewLocal(2), FIFO: true, Prompt: true, Strict: true}
	}
	slottest.Run(t, newHarness)
	slottest.RunSynctest(t, newHarness)
}

func TestBreakable(t *testing.T) {
	newHarness := func(*testing.T) slottest.Harness {
		src := slottest.NewBreakable(slot.NewLocalKeyed(2))
		return slottest.Harness{
			Source: src, Peer: src.Peer(), FIFO: true, Prompt: true, Abandon: true,
			TakeAway: src.Expire, Expire: src.Expire, Silence: src.Silence, Break: src.Break, Heal: src.Heal,
		}
	}
	slottest.Run(t, newHarness)
	slottest.RunSynctest(t, newHarness)
}
