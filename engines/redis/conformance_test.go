package redis

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

var badKeys = []string{"", "{", "a}b", "a\nb", "a\x00b", "a\xffb", strings.Repeat("k", 257)}

// ofTheClient reports whether a goroutine is the client's, which its user closes.
func ofTheClient(stack string) bool {
	return strings.Contains(stack, "/go-redis/") && !strings.Contains(stack, "/engines/redis.") ||
		strings.Contains(stack, "/miniredis/") || strings.Contains(stack, "/faultnet.")
}

func TestSourceKeepsThePromisesOfASource(t *testing.T) {
	for _, limit := range []int{1, 3} {
		slottest.RunSynctest(t, func(t *testing.T) slottest.Harness { return newWorld(t).harness(limit) })
	}
}

// harness returns a source on machine a, and its peer on machine b.
func (w *world) harness(limit int, opts ...Option) slottest.Harness {
	limits := slot.Keyed("job:", limit)
	h := slottest.Harness{
		Source: w.source("a", limits, append(opts, WithAdministrator())...), Peer: w.source("b", limits, opts...),
		FIFO: true, Prompt: true, Abandon: true,
		OwnLimits: func(limit int) slot.Source { return w.source("c", slot.Keyed("job:", limit), opts...) },
		Inspect:   true, HolderName: "a", Control: true, Pace: true,
		TakeAway: func(key string) { w.takeAway("job:" + key) },
		Expire:   func(string) { w.expire() },
		Silence:  func() { w.net.Set("a", cut) },
		Heal:     func() { w.net.Set("a", connected) },
		Ignore:   ofTheClient, BadKeys: badKeys,
	}
	if w.db == nil {
		h.Within = 20 * time.Second // real ones
	}
	if w.config(opts).durable {
		h.Strict, h.Fence = true, true
		h.Break = func() { w.net.Reset("a") }
	}
	return h
}

func (w *world) config(opts []Option) *config {
	c, err := newConfig(opts)
	require.NoError(w.t, err)
	return c
}

// connected is a network that works.
var connected = faultnet.Conditions{}

// slow is a network on which everything takes a while.
var slow = faultnet.Conditions{Delay: 10 * time.Millisecond}

// cut is a network that lets nothing through, and says so to nobody.
var cut = faultnet.Conditions{HoldUp: true, HoldDown: true}

// takeAway takes back every slot, as an operator does.
func (w *world) takeAway(name string) {
	operator := w.source("operator", slot.Fixed(name, 1), WithAdministrator())
	state, err := operator.Inspect(context.Background(), "")
	require.NoError(w.t, err)
	for _, h := range state.Holders {
		require.NoError(w.t, operator.Revoke(context.Background(), "", h.ID))
	}
	require.NoError(w.t, operator.Close(context.Background()))
}

// expire lets the leases be over by which machine a holds slots.
func (w *world) expire() {
	w.net.Set("a", cut)
	time.Sleep(w.lease)
	w.net.Set("a", connected)
}

func TestADurableSourceKeepsThePromisesOfAStrictOne(t *testing.T) {
	for _, limit := range []int{1, 3} {
		slottest.RunSynctest(t, func(t *testing.T) slottest.Harness { return newWorld(t).harness(limit, WithDurable()) })
	}
}

func TestSourceKeepsThePromisesOfASourceOnARealServer(t *testing.T) {
	p := startServer(t)
	slottest.Run(t, func(t *testing.T) slottest.Harness { return p.world(t).harness(3) })
}

func TestADurableSourceKeepsThePromisesOfAStrictOneOnARealServer(t *testing.T) {
	p := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	slottest.Run(t, func(t *testing.T) slottest.Harness { return p.world(t).harness(1, WithDurable()) })
}
