package pool

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// lanesOf returns the lanes of a pool by key.
func lanesOf(t *testing.T, p *Pool) map[string]Lane {
	t.Helper()
	all := map[string]Lane{}
	for l := range p.Lanes() {
		require.NotContains(t, all, l.Key, "a lane comes once")
		all[l.Key] = l
	}
	return all
}

var noticed = WithHooks(Hooks{Finish: func(context.Context, FinishEvent) {}})

func TestLanesTellWhatStandsInThemAndWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake(1)
		src.limit = 1
		byClass := func(lane string) string { return lane[:1] }
		p := newPool(t, 2, WithSlots(src), WithSlotKey(byClass), WithQueue(2), noticed)
		start := time.Now()
		p.Submit(sleeps(time.Hour), Key("a1"))
		synctest.Wait()
		time.Sleep(time.Second)
		p.Submit(nothing, Key("a1"), Priority(-1), Name("old"))
		time.Sleep(time.Second)
		p.Submit(nothing, Key("a1"), Name("urgent"))
		go p.Submit(nothing, Key("a1"))
		p.Submit(nothing, Key("a2"), After(time.Second))
		p.Submit(nothing, Key("a3"), After(time.Hour))
		time.Sleep(2 * time.Second)

		a1 := Lane{
			Key: "a1", SlotKey: "a", Queued: 2, Blocked: 1, OldestName: "old", Oldest: start.Add(time.Second),
			WaitsFor: WaitForSlot, Limit: 1, Held: 1, InLine: 1,
		}
		a2 := a1
		a2.Key, a2.Queued, a2.Blocked, a2.OldestName, a2.Oldest = "a2", 1, 0, "", start.Add(3*time.Second)
		requireLanes(t, p, a1, a2)

		src.setFail(func(string) error { return errTest })
		p.Submit(nothing, Key("b"))
		time.Sleep(time.Second)
		require.Equal(t, WaitForEngine, lanesOf(t, p)["b"].WaitsFor)
		src.setFail(nil)
		p.Submit(sleeps(2*time.Hour), Key("c"))
		time.Sleep(time.Second)
		p.Submit(nothing, Key("d"))
		require.Equal(t, WaitForWorker, lanesOf(t, p)["d"].WaitsFor)
		finish(t, p)
		require.Empty(t, lanesOf(t, p))
	})
}

func requireLanes(t *testing.T, p *Pool, want ...Lane) {
	t.Helper()
	got := lanesOf(t, p)
	require.Len(t, got, len(want))
	for _, l := range want {
		require.True(t, l.Oldest.Equal(got[l.Key].Oldest), "%v", got[l.Key].Oldest)
		l.Oldest = got[l.Key].Oldest
		require.Equal(t, l, got[l.Key])
	}
}

// Nobody takes the time in this one.
func TestLanesOfAPoolWithoutSlotsAndHooksWaitForAWorkerAndHaveNoAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		require.Empty(t, lanesOf(t, p), "the lane without a key is not told of while it is empty")
		p.Submit(sleeps(time.Hour))
		synctest.Wait()
		p.Submit(nothing)
		require.NoError(t, p.Go(nothing, Key("k")))
		requireLanes(t, p, Lane{Queued: 1, WaitsFor: WaitForWorker}, Lane{Key: "k", Queued: 1, WaitsFor: WaitForWorker})
		finish(t, p)
	})
}

// The loop below uses the pool in every turn, and has lanes come and go between one
// turn and the next.
func TestAsManyLanesAsThereAreHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lanes = 5000
		p := newPool(t, 1, noticed)
		p.Submit(sleeps(time.Hour))
		var leave []*Task
		for i := range lanes {
			p.Submit(nothing, Key(fmt.Sprint("stays", i)))
			leave = append(leave, p.Submit(nothing, Key(fmt.Sprint("leaves", i))))
		}
		synctest.Wait()
		seen, stay := map[string]bool{}, 0
		for l := range p.Lanes() {
			require.True(t, p.mu.TryLock(), "the loop must not hold the pool's lock")
			p.mu.Unlock()
			require.False(t, seen[l.Key], "%s came twice", l.Key)
			seen[l.Key] = true
			if l.Key[0] == 's' {
				stay++
			}
			if i := len(seen); i <= lanes {
				leave[i-1].Cancel()
				p.Submit(nothing, Key(fmt.Sprint("comes", i)))
			}
		}
		require.Equal(t, lanes, stay, "a lane that was there all the time was left out")
		for range p.Lanes() {
			break
		}
		require.True(t, p.mu.TryLock(), "a loop that ends early must leave the lock free")
		p.mu.Unlock()
		require.EqualValues(t, 2*lanes, p.Stats().Queued)
		finish(t, p)
	})
}

func TestStatsTellHowManyWorkersThereMayBe(t *testing.T) {
	p := newPool(t, 3)
	require.Equal(t, 3, p.Stats().Size)
	require.NoError(t, p.Resize(7))
	require.Equal(t, 7, p.Stats().Size)
}
