package redis

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/slot"
)

func TestAGrantWhoseMessageIsLostIsFoundByTheNextRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.source("a", slot.Fixed("k", 1)), w.source("b", slot.Fixed("k", 1))
		first := w.claim(a, "")
		ticket := w.queue(b, "")
		var lost atomic.Int32
		w.hook(func(c *server.Peer, cmd string, _ ...string) bool {
			if cmd != "PUBLISH" {
				return false
			}
			lost.Add(1)
			c.WriteInt(0)
			return true
		})
		synctest.Wait()
		require.NoError(t, first.Release())
		got, took := w.wait(ticket)
		require.NoError(t, got.Context().Err())
		require.LessOrEqual(t, took, w.lease/3)
		require.Equal(t, int32(1), lost.Load())
		require.NoError(t, got.Release())
	})
}

// While the subscription is away nobody hears of grants; when it is back what waits
// is asked for at once.
func TestGrantsOfATimeWithoutASubscriptionAreFoundWhenItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		limits := slot.Fixed("k", 1)
		a, b := w.source("a", limits, WithLease(time.Minute)), w.source("b", limits, WithLease(time.Minute))
		first := w.claim(a, "")
		ticket := w.queue(b, "")
		synctest.Wait()
		w.net.Set("b", cut)
		require.NoError(t, first.Release())
		time.Sleep(100 * time.Millisecond)
		w.net.Reset("b") // so the message is lost, and the subscription with it
		w.net.Set("b", connected)
		_, took := w.wait(ticket)
		require.Less(t, took, time.Second)
	})
}

func TestADeadWaiterDelaysTheLineByItsLeaseAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		limits := slot.Fixed("k", 1)
		a, dead, b := w.source("a", limits), w.source("dead", limits), w.source("b", limits)
		first := w.claim(a, "")
		for range 3 {
			w.queue(dead, "")
		}
		ticket := w.queue(b, "")
		synctest.Wait()
		w.net.Set("dead", cut)
		require.NoError(t, first.Release())
		_, took := w.wait(ticket)
		require.LessOrEqual(t, took, w.lease+10*time.Millisecond, "one lease, however many they are: all run from their last renewals")
		w.net.Set("dead", connected)
	})
}

func TestADeadHoldersSlotIsGrantedAsSoonAsItsLeaseIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		limits := slot.Fixed("k", 1)
		a, b := w.source("a", limits, WithLease(10*time.Second)), w.source("b", limits, WithLease(time.Minute))
		first := w.claim(a, "")
		ticket := w.queue(b, "") // whose own renewals are 7 s apart
		synctest.Wait()
		w.net.Set("a", cut)
		got, took := w.wait(ticket)
		require.ErrorIs(t, context.Cause(first.Context()), slot.ErrLost)
		require.LessOrEqual(t, took, 10*time.Second+10*time.Millisecond)
		require.NoError(t, got.Release())
		w.net.Set("a", connected)
	})
}

func TestScriptsThatAreFlushedAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.source("a", slot.Fixed("k", 1))
		c := w.client("operator")
		for range 3 {
			require.NoError(t, c.ScriptFlush(t.Context()).Err())
			got := w.claim(a, "")
			require.NoError(t, c.ScriptFlush(t.Context()).Err())
			time.Sleep(w.lease)
			require.NoError(t, got.Context().Err(), "it was renewed meanwhile")
			require.NoError(t, c.ScriptFlush(t.Context()).Err())
			require.NoError(t, got.Release())
			synctest.Wait()
			held, all := w.counts("k")
			require.Zero(t, held+all)
		}
	})
}

// A server that does not have the script yet has carried nothing out. So there is no copy
// of the request for which a mark would have to be left, which makes claims slow.
func TestTheFirstRequestsToANewServerLeaveNoMarksOfCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.source("a", slot.Keyed("", 1))
		for i := range 10 {
			require.NoError(t, w.claim(a, fmt.Sprint(i)).Release())
		}
		require.NoError(t, w.client("operator").ScriptFlush(t.Context()).Err())
		require.NoError(t, w.claim(a, "flushed").Release())
		synctest.Wait()
		for _, key := range w.db.Keys() {
			require.NotContains(t, key, "}gone")
		}
	})
}

// The client repeats what it got no answer to. Here the first copy of each kind of
// request is carried out and its answer lost.
func TestARequestThatIsCarriedOutTwiceCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.source("a", slot.Fixed("k", 2))
		w.claim(a, "") // the script is there
		var swallowed atomic.Int32
		swallow := func(op string) {
			done := false
			w.hook(func(c *server.Peer, cmd string, args ...string) bool {
				if cmd == "EVALSHA" && !done && slices.Contains(args, op) {
					done = true
					c.OnDisconnect(func() { swallowed.Add(1) })
					c.Close() // it is carried out, and the connection ends before the answer
					go w.carryOut(args)
					return true
				}
				return false
			})
		}
		swallow("claim")
		got := w.claim(a, "")
		require.False(t, got.Info().Queued)
		held, all := w.counts("k")
		require.Equal(t, []int{2, 2}, []int{held, all})

		swallow("beat")
		time.Sleep(2 * w.lease)
		require.NoError(t, got.Context().Err())

		swallow("leave")
		require.NoError(t, got.Release())
		time.Sleep(time.Second)
		held, all = w.counts("k")
		require.Equal(t, []int{1, 1}, []int{held, all})
		require.Equal(t, int32(3), swallowed.Load())
	})
}

// carryOut does what a request asks for, on another connection.
func (w *world) carryOut(args []string) {
	cmd := []any{"EVALSHA"}
	for _, a := range args {
		cmd = append(cmd, a)
	}
	_ = w.client("copy").Do(context.Background(), cmd...).Err()
}

func TestACopyThatComesLateClaimsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.source("a", slot.Fixed("k", 1))
		require.NoError(t, w.claim(a, "").Release())
		synctest.Wait()
		var late []string
		w.hook(func(c *server.Peer, cmd string, args ...string) bool {
			if cmd == "EVALSHA" && late == nil {
				late = args // the first copy, which the network keeps
				c.Close()
				return true
			}
			return false
		})
		require.NoError(t, w.claim(a, "").Release())
		synctest.Wait()
		require.Contains(t, late, "claim")
		w.carryOut(late)
		held, all := w.counts("k")
		require.Zero(t, held+all, "the slot would be held for a lease, by nobody")
	})
}

// With maxmemory-policy allkeys-lru any key can be gone at any moment.
func TestEvictionOfAnyKeyIsSurvived(t *testing.T) {
	for i, part := range []string{"line", "last"} {
		t.Run(part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := w.source("a", slot.Fixed("k", 1)), w.source("b", slot.Fixed("k", 1))
				first := w.claim(a, "")
				ticket := w.queue(b, "")
				w.db.Del(lineKeys(defaultPrefix, "k")[i])
				time.Sleep(2 * w.lease)
				if part == "line" { // it is what says that a claim is there
					_, cause := w.ended(first)
					require.ErrorIs(t, cause, slot.ErrLost)
					_, err := ticket.Wait(t.Context())
					require.ErrorIs(t, err, slot.ErrUnavailable)
				} else {
					require.NoError(t, first.Context().Err())
					held, all := w.counts("k")
					require.Equal(t, []int{1, 2}, []int{held, all})
					require.NoError(t, first.Release())
					got, took := w.wait(ticket)
					require.Less(t, took, 100*time.Millisecond)
					require.NoError(t, got.Release())
				}
				synctest.Wait()
				require.NoError(t, w.claim(b, "").Release())
			})
		})
	}
}

// shiftClock has the server's clock differ from the right one.
func (w *world) shiftClock(by time.Duration) {
	w.hook(func(c *server.Peer, cmd string, _ ...string) bool {
		if cmd != "TIME" {
			return false
		}
		now := time.Now().Add(by)
		c.WriteLen(2)
		c.WriteBulk(strconv.FormatInt(now.Unix(), 10))
		c.WriteBulk(strconv.Itoa(now.Nanosecond() / 1000))
		return true
	})
}

func TestAStepForwardOfTheServersClockEndsOnlyLeasesThatAreInTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		limits := slot.Keyed("", 1)
		a, b := w.source("a", limits), w.source("b", limits)
		alone, wanted := w.claim(a, "alone"), w.claim(a, "wanted")
		w.shiftClock(time.Hour)
		got := w.claim(b, "wanted") // its lease is over, as the server has it
		took, cause := w.ended(wanted)
		require.ErrorIs(t, cause, slot.ErrLost)
		require.LessOrEqual(t, took, w.lease/3, "its holder is told at the next renewal")
		time.Sleep(3 * w.lease)
		require.NoError(t, alone.Context().Err())
		require.NoError(t, got.Context().Err())
		require.NoError(t, alone.Release())
		require.NoError(t, got.Release())
	})
}

func TestAStepBackOfTheServersClockLosesNoSlotAndNoFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		limits := slot.Fixed("k", 1)
		a, b := w.source("a", limits, WithDurable()), w.source("b", limits, WithDurable())
		first := w.claim(a, "")
		ticket := w.queue(b, "")
		w.shiftClock(-10 * time.Second)
		time.Sleep(5 * w.lease)
		require.NoError(t, first.Context().Err())
		require.NoError(t, first.Release())
		second, took := w.wait(ticket)
		require.Less(t, took, 100*time.Millisecond)
		require.Greater(t, second.Info().Fence, first.Info().Fence)
		require.NoError(t, second.Release())
		synctest.Wait()
		third := w.claim(a, "")
		require.Greater(t, third.Info().Fence, second.Info().Fence)

		dead := w.claim(w.source("dead", slot.Fixed("other", 1)), "")
		w.net.Set("dead", cut)
		w.shiftClock(-20 * time.Second)
		got, took := w.wait(w.queue(w.source("c", slot.Fixed("other", 1)), ""))
		require.Error(t, dead.Context().Err())
		require.LessOrEqual(t, took, 10*time.Second+w.lease+10*time.Millisecond, "the lease of the dead is longer by the step")
		require.NoError(t, got.Release())
		w.net.Set("dead", connected)
	})
}

func TestATicketThatNobodyAsksKeepsNoSlotForLongerThanALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.source("a", slot.Fixed("k", 1)), w.source("b", slot.Fixed("k", 1))
		first := w.claim(a, "")
		unasked := w.queue(a, "")
		ticket := w.queue(b, "")
		synctest.Wait()
		require.NoError(t, first.Release())
		got, took := w.wait(ticket)
		require.LessOrEqual(t, took, w.lease)
		_, err := unasked.Wait(t.Context())
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.NoError(t, got.Release())
	})
}

func TestAClientThatIsClosedFirstIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.client("a")
		a, err := NewSource(c, slot.Fixed("k", 1))
		require.NoError(t, err)
		got := w.claim(a, "")
		require.NoError(t, c.Close())
		_, err = a.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrClosed)
		require.ErrorContains(t, err, "close the source first")
		require.ErrorIs(t, a.Close(context.Background()), slot.ErrUnavailable, "the slot was not given back")
		require.ErrorIs(t, context.Cause(got.Context()), slot.ErrLost)
	})
}

// A copy of a request that was under way for long may be put in line. When its turn
// comes its source hears of a grant that it does not wait for.
func TestAGrantThatNobodyWaitsForGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.source("a", slot.Fixed("k", 1), WithLease(time.Minute)), w.source("b", slot.Fixed("k", 1), WithLease(time.Minute))
		first := w.claim(a, "")
		h := w.byHand("k")
		h.lease = time.Minute
		require.Equal(t, claimWaits, h.claim(claimID(a.session, 1000, 1, gcra.Pace{}, "a"), "line"))
		ticket := w.queue(b, "")
		synctest.Wait()
		require.NoError(t, first.Release())
		_, took := w.wait(ticket)
		require.Less(t, took, time.Second)
	})
}

func TestLimitsMayBeAsHighAsNumbersAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.source("all", slot.Fixed("k", math.MaxInt))
		one := w.source("one", slot.Fixed("k", 1))
		for range 10 {
			w.claim(all, "")
		}
		small := w.queue(one, "")
		require.NoError(t, small.Close())
		synctest.Wait()
		w.claim(all, "")
		held, in := w.counts("k")
		require.Equal(t, []int{11, 11}, []int{held, in})
	})
}

// The first copy is carried out, its answer is lost, and the second one is refused, as
// by a server that was restarted meanwhile.
func TestAClaimWhoseSecondCopyIsRefusedLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.source("a", slot.Fixed("k", 1), WithLease(time.Minute))
		require.NoError(t, w.claim(a, "").Release())
		synctest.Wait()
		var seen atomic.Int32
		w.hook(func(c *server.Peer, cmd string, args ...string) bool {
			if cmd != "EVALSHA" || !slices.Contains(args, "claim") {
				return false
			}
			switch seen.Add(1) {
			case 1:
				c.Close()
				go w.carryOut(args)
			case 2: // the copy that the test carries out
				return false
			default:
				c.WriteError("LOADING Redis is loading the dataset in memory")
			}
			return true
		})
		_, err := a.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.Greater(t, seen.Load(), int32(2))
		time.Sleep(time.Second)
		held, all := w.counts("k")
		require.Zero(t, held+all)
	})
}

// A slot that is being released is no claim of the source any more, and not given back
// yet: its context ends first.
func TestCloseWaitsForAReleaseThatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.source("a", slot.Fixed("k", 1))
		c := (*claim)(w.claim(a, "").(*grant))
		cause, mine := c.release()
		require.True(t, mine)
		closed := make(chan error, 1)
		go func() { closed <- a.Close(context.Background()) }()
		synctest.Wait()
		require.Empty(t, closed)
		c.ctx.Cancel(cause)
		a.giveBack(c)
		require.NoError(t, <-closed)
		held, all := w.counts("k")
		require.Zero(t, held+all)
	})
}
