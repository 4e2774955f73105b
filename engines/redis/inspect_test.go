package redis

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/slot"
)

func TestInspectTellsWhoHoldsAndWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shiftClock(time.Hour) // times are those of this process nevertheless
		a, b := w.source("a", slot.Keyed("job:", 2)), w.source("b:7", slot.Keyed("job:", 1))
		start := time.Now()
		w.claim(a, "x")
		time.Sleep(100 * time.Millisecond)
		waits := w.queue(b, "x")
		time.Sleep(100 * time.Millisecond)
		w.queue(a, "x")
		n, ok := slot.Ahead(waits)
		require.True(t, ok)
		require.Equal(t, 0, n)
		n, _ = slot.Ahead(w.queue(a, "x"))
		require.Equal(t, 2, n)
		_, ok = slot.Ahead(w.enqueue(a, "free"))
		require.False(t, ok)

		st, err := a.Inspect(t.Context(), "x")
		require.NoError(t, err)
		require.Equal(t, "job:x", st.Name)
		require.Equal(t, []int{1, 3}, []int{st.Held, st.Waiting})
		require.Equal(t, []slot.Holder{{Name: "a", ID: st.Holders[0].ID, Limit: 2, Until: start.Add(w.lease)}}, st.Holders)
		require.Regexp(t, "^[0-9a-f]{16}$", st.Holders[0].ID)
		require.Equal(t, slot.Waiter{Name: "b:7", Limit: 1, Since: start.Add(100 * time.Millisecond)}, st.Waiters[0])
		require.Equal(t, slot.Waiter{Name: "a", Limit: 2, Since: start.Add(200 * time.Millisecond)}, st.Waiters[1])
		require.Zero(t, st.PausedUntil)

		st, err = a.Inspect(t.Context(), "nobody")
		require.NoError(t, err)
		require.Equal(t, slot.State{Name: "job:nobody"}, st)
		_, err = a.Inspect(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrKey)
		require.NoError(t, a.Close(context.Background()))
		_, err = a.Inspect(t.Context(), "x")
		require.ErrorIs(t, err, slot.ErrClosed)
	})
}

func TestInspectListsABoundedNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.byHand("k")
		for i := range slot.MaxListed + 10 {
			h.claim(claimID("s", uint64(i), 2, gcra.Pace{}, fmt.Sprint(i)), "line")
		}
		st, err := w.source("a", slot.Fixed("k", 1)).Inspect(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, []int{2, slot.MaxListed + 8}, []int{st.Held, st.Waiting})
		require.Len(t, st.Holders, 2)
		require.Len(t, st.Waiters, slot.MaxListed)
		require.Equal(t, "2", st.Waiters[0].Name)
	})
}

func TestAPauseHoldsUpTheGrantsOfEverybodyAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		limits := slot.Keyed("", 2)
		a, b := w.source("a", limits), w.source("b", limits)
		first := w.claim(a, "k")
		require.Zero(t, first.Info().PausedUntil)
		begin := time.Now()
		require.NoError(t, a.Pause(t.Context(), "k", 10*time.Second))
		require.NoError(t, a.Pause(t.Context(), "k", time.Second), "a shorter one ends nothing")
		_, ok, err := b.Try(t.Context(), "k")
		require.NoError(t, err)
		require.False(t, ok)
		ticket := w.queue(b, "k")
		require.NoError(t, w.claim(b, "other").Release())
		time.Sleep(w.lease)
		require.WithinDuration(t, begin.Add(10*time.Second), first.Info().PausedUntil, time.Millisecond)
		require.NoError(t, first.Context().Err(), "what is held is renewed")
		st, err := b.Inspect(t.Context(), "k")
		require.NoError(t, err)
		require.WithinDuration(t, begin.Add(10*time.Second), st.PausedUntil, time.Millisecond)
		_, _ = w.wait(ticket)
		require.WithinRange(t, time.Now(), begin.Add(10*time.Second), begin.Add(10*time.Second+20*time.Millisecond))
	})
}

func TestOnlyAnAdministratorEndsProlongsAndPausesWhatIsNotHis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		limits := slot.Keyed("", 1)
		a, admin := w.source("a", limits), w.source("admin", limits, WithAdministrator())
		ctx := t.Context()
		require.ErrorIs(t, a.Pause(ctx, "k", time.Second), slot.ErrNotAllowed)
		got := w.claim(a, "k")
		require.NoError(t, a.Pause(ctx, "k", slot.MaxPause))
		require.ErrorIs(t, a.Pause(ctx, "k", slot.MaxPause+1), slot.ErrNotAllowed)
		require.ErrorIs(t, a.Pause(ctx, "k", 0), slot.ErrNotAllowed)
		require.Error(t, admin.Pause(ctx, "k", -1))
		require.ErrorIs(t, a.Revoke(ctx, "k", "0000000000000001"), slot.ErrNotAllowed)
		require.NoError(t, admin.Pause(ctx, "k", time.Hour))
		require.NoError(t, got.Release())
		ticket := w.queue(a, "k")
		time.Sleep(2 * time.Minute)
		require.NoError(t, admin.Pause(ctx, "k", 0))
		_, took := w.wait(ticket)
		require.LessOrEqual(t, took, 10*time.Millisecond)
	})
}

func TestASlotThatIsTakenBackIsFreeWhenItsLeaseIsOverOrItsHolderHasReleasedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		limits := slot.Fixed("k", 1)
		a, admin := w.source("a", limits), w.source("admin", limits, WithAdministrator())
		id := func() string {
			st, err := admin.Inspect(t.Context(), "")
			require.NoError(t, err)
			require.Len(t, st.Holders, 1)
			return st.Holders[0].ID
		}
		for _, releases := range []bool{false, true} {
			got := w.claim(a, "")
			ticket := w.queue(a, "")
			taken := id()
			begin := time.Now()
			require.NoError(t, admin.Revoke(t.Context(), "", taken))
			require.ErrorIs(t, admin.Revoke(t.Context(), "", taken), slot.ErrNoHolder)
			took, cause := w.ended(got)
			require.ErrorIs(t, cause, slot.ErrLost)
			require.ErrorIs(t, cause, slot.ErrRevoked)
			require.LessOrEqual(t, took, w.lease/3)
			_, ok, err := admin.Try(t.Context(), "")
			require.NoError(t, err)
			require.False(t, ok, "the job may not have ended yet")
			if releases {
				require.ErrorIs(t, got.Release(), slot.ErrRevoked)
			}
			next, _ := w.wait(ticket)
			if releases {
				require.Less(t, time.Since(begin), w.lease/2)
			} else {
				require.GreaterOrEqual(t, time.Since(begin), w.lease-w.lease/3)
			}
			require.NoError(t, next.Release())
			synctest.Wait()
		}
		for _, wrong := range []string{"", "x", "1", "000000000000000g", "00000000000000001"} {
			require.ErrorIs(t, admin.Revoke(t.Context(), "", wrong), slot.ErrNoHolder, wrong)
		}
	})
}

// A claim's own limit: half of a deploy has another one, and neither half starves or
// is promised less than it was.
func TestClaimsOfOneNameMayHaveDifferentLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		two, three := w.source("two", slot.Fixed("k", 2)), w.source("three", slot.Fixed("k", 3))
		a, b := w.claim(three, ""), w.claim(three, "")
		c := w.claim(three, "")
		small := w.queue(two, "")    // may not be one of three
		behind := w.queue(three, "") // might, but does not pass it
		require.NoError(t, a.Release())
		synctest.Wait()
		_, ok := small.Slot()
		require.False(t, ok, "two others are held")
		require.NoError(t, b.Release())
		d, _ := w.wait(small)
		_, ok = behind.Slot()
		require.False(t, ok, "one of three would break the promise of the slot with limit 2")
		require.NoError(t, d.Release())
		_, _ = w.wait(behind)
		e := w.queue(two, "")
		require.NoError(t, e.Close())
		_, _ = w.wait(w.enqueue(three, ""))
		require.NoError(t, c.Context().Err())
	})
}
