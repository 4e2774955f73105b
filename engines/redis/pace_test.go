package redis

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/slot"
)

// starts has users of several sources start at a rate, each of them so often, and returns
// when they did.
func starts(t *testing.T, sources []slot.Source, users, each int) (at []time.Time) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range users {
		all.Go(func() {
			for range each {
				err := slot.Do(t.Context(), sources[i%len(sources)], "k", func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					at = append(at, time.Now())
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	return at
}

func TestStartsOfAllMachinesComeAtOneRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var sources []slot.Source
		for i := range 4 {
			sources = append(sources, slot.Pace(w.source(fmt.Sprint("m", i), slot.Keyed("", 5)), slot.PerSecond(10), 1))
		}
		at := starts(t, sources, 12, 10)
		require.Len(t, at, 120)
		for i := range at {
			for j := i + 1; j < len(at); j++ {
				least := time.Duration(j-i)*100*time.Millisecond - 10*time.Millisecond // a tenth is made up for
				require.GreaterOrEqual(t, at[j].Sub(at[i]), least, "starts %d and %d", i, j)
			}
		}
		require.Less(t, at[119].Sub(at[0]), 12500*time.Millisecond, "9.5 a second or more")
	})
}

// One source asks when the clock lets the first in line go, and not all of those that wait.
func TestTheSourceOfTheFirstInLineAsksWhenTheClockLetsItGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, _ := w.counted("first", slot.Keyed("", 5))
		pace := 400 * time.Millisecond
		s := slot.Pace(first, slot.Every(pace), 1)
		ticket, err := s.Enqueue(t.Context(), "k")
		require.NoError(t, err)
		_, ok := ticket.Slot()
		require.True(t, ok)
		var counts []*counter
		next, err := s.Enqueue(t.Context(), "k")
		require.NoError(t, err)
		for i := range 5 {
			other, count := w.counted(fmt.Sprint("other-", i), slot.Keyed("", 5))
			_, err := slot.Pace(other, slot.Every(pace), 1).Enqueue(t.Context(), "k")
			require.NoError(t, err)
			counts = append(counts, count)
		}
		synctest.Wait()
		for _, count := range counts {
			count.requests.Store(0)
		}
		_, err = next.Wait(t.Context())
		require.NoError(t, err)
		asked := int64(0)
		for _, count := range counts {
			asked += count.requests.Load()
		}
		require.Zero(t, asked)
	})
}

// What is told to the owner of the first in line can be lost. Another one asks then.
func TestTheLineOfAClockGoesOnWithoutTheOneWhoIsToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.source("a", slot.Keyed("", 5)), w.source("b", slot.Keyed("", 5))
		at := func(s *Source) slot.Source { return slot.Pace(s, slot.Every(500*time.Millisecond), 1) }
		for range 2 {
			_, err := at(a).Enqueue(t.Context(), "k")
			require.NoError(t, err)
		}
		ticket, err := at(b).Enqueue(t.Context(), "k")
		require.NoError(t, err)
		w.net.Set("a", cut) // its claim is dead after a lease
		begun := time.Now()
		_, err = ticket.Wait(t.Context())
		require.NoError(t, err)
		require.Less(t, time.Since(begun), w.lease+3*time.Second)
		w.net.Set("a", connected)
	})
}

// What was lost is found by a renewal, which does not tell how old the grant is.
func TestAGrantWithAPaceWhoseMessageIsLostIsTooOldForAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hook(func(c *server.Peer, cmd string, _ ...string) bool {
			if cmd == "PUBLISH" {
				c.WriteInt(0)
			}
			return cmd == "PUBLISH"
		})
		src := slot.Pace(w.source("a", slot.Fixed("k", 5)), slot.PerSecond(10), 1)
		_, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		s, err := ticket.Wait(t.Context())
		require.NoError(t, err)
		require.Greater(t, s.Info().Age, 100*time.Millisecond)
		require.True(t, slot.Late(s))
	})
}

func TestAClockIsOnTheServerForAsLongAsItIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.byHand("k")
		pace := gcra.Pace{Interval: 10 * time.Second, Burst: 2}
		require.Equal(t, claimHolds, h.claim(claimID("s", 1, 5, pace, "n"), "line"))
		require.Equal(t, claimHolds, h.claim(claimID("s", 2, 5, pace, "n"), "line"))
		require.Equal(t, claimAbsent, h.claim(claimID("s", 3, 5, pace, "n"), "try"))
		require.Equal(t, claimHolds, h.claim(claimID("s", 4, 5, gcra.Pace{}, "n"), "try"), "it does not touch the clock")
		require.Contains(t, w.db.Keys(), h.keys[4])
		time.Sleep(22 * time.Second)
		require.NotContains(t, w.db.Keys(), h.keys[4])
	})
}

func TestAClockThatHasRestedHasSavedUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newWorld(t).byHand("k")
		number := uint64(0)
		try := func() int64 {
			number++
			return h.claim(claimID("s", number, 9, gcra.Pace{Interval: 100 * time.Millisecond, Burst: 2}, "n"), "try")
		}
		require.Equal(t, claimHolds, try())
		time.Sleep(900 * time.Millisecond) // its key is still there
		require.Equal(t, claimHolds, try())
		require.Equal(t, claimHolds, try())
		require.Equal(t, claimAbsent, try())
	})
}

func TestAPoolStartsJobsAtARateOnARealServer(t *testing.T) {
	w := startServer(t).world(t)
	var sources []slot.Source
	for i := range 3 {
		sources = append(sources, slot.Pace(w.source(fmt.Sprint("m", i), slot.Keyed("", 5)), slot.PerSecond(50), 1))
	}
	begun := time.Now()
	at := starts(t, sources, 9, 5)
	require.GreaterOrEqual(t, at[44].Sub(begun), 44*20*time.Millisecond-2*time.Millisecond)
}
