package redis

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

var badKeys = []string{"", "{", "a}b", "a\nb", "a\x00b", "a\xffb", strings.Repeat("k", 253)}

// ofTheClient reports whether a goroutine is the client's, which its user closes.
func ofTheClient(stack string) bool {
	return strings.Contains(stack, "/go-redis/") && !strings.Contains(stack, "/engines/redis.") ||
		strings.Contains(stack, "/miniredis/") || strings.Contains(stack, "/faultnet.")
}

func TestSourceKeepsThePromisesOfASource(t *testing.T) {
	for _, limit := range []int{1, 3} {
		slottest.RunSynctest(t, func(t *testing.T) slottest.Harness {
			w := newWorld(t)
			src := w.source("a", slot.Keyed("job:", limit))
			return slottest.Harness{
				Source: src, Peer: w.source("b", slot.Keyed("job:", limit)), Limit: limit,
				FIFO: true, Prompt: true, Abandon: true,
				TakeAway: func(key string) { w.takeAway("job:" + key) },
				Expire:   func(string) { w.expire() },
				Silence:  func() { w.net.Set("a", faultnet.Conditions{HoldUp: true, HoldDown: true}) },
				Heal:     func() { w.net.Set("a", faultnet.Conditions{}) },
				Ignore:   ofTheClient, BadKeys: badKeys,
			}
		})
	}
}

// takeAway takes back every slot, as an operator does.
func (w *world) takeAway(name string) {
	ln := newLine(defaultPrefix, name)
	members, _ := w.db.ZMembers(ln.keys[1])
	for _, id := range members {
		number, err := w.db.ZScore(ln.keys[0], id)
		if err != nil {
			w.t.Error(err)
		}
		w.script(ln, "revoke", int64(number))
	}
}

// expire lets the leases be over by which machine a holds slots.
func (w *world) expire() {
	w.net.Set("a", faultnet.Conditions{HoldUp: true, HoldDown: true})
	time.Sleep(testLease)
	w.net.Set("a", faultnet.Conditions{})
}

// script does something to a line by hand.
func (w *world) script(ln *line, op string, args ...any) any {
	args = append([]any{op, testLease.Milliseconds(), defaultPrefix + "granted:"}, args...)
	answer, err := w.client("operator").Eval(context.Background(), lineText, ln.keys, args...).Result()
	if err != nil {
		w.t.Error(err)
	}
	return answer
}
