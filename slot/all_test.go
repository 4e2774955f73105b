package slot_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// free counts the slots of src that can be claimed now.
func free(t testing.TB, src slot.Source, key string) int {
	t.Helper()
	var held []slot.Slot
	for {
		s, ok, err := slot.Try(context.Background(), src, key)
		require.NoError(t, err)
		if !ok {
			break
		}
		held = append(held, s)
	}
	for _, s := range held {
		require.NoError(t, s.Release())
	}
	return len(held)
}

func TestAllHoldsASlotOfEachSource(t *testing.T) {
	perHost, global := slot.NewLocalKeyed(2), slot.NewLocal(3)
	src := slot.All(perHost, global)
	s := take(t, src, "a")
	require.Equal(t, 1, free(t, perHost, "a"))
	require.Equal(t, 2, free(t, global, ""))
	require.NoError(t, s.Release())
	require.NoError(t, s.Release())
	require.Equal(t, 2, free(t, perHost, "a"))
	require.Equal(t, 3, free(t, global, ""))
	require.ErrorIs(t, context.Cause(s.Context()), slot.ErrReleased)
}

func TestAllTakesNoGlobalSlotWhileItWaitsForItsHost(t *testing.T) {
	perHost, global := slot.NewLocalKeyed(1), slot.NewLocal(2)
	src := slot.All(perHost, global)
	held := take(t, perHost, "a")
	waiting := queue(t, src, "a")
	require.Equal(t, 2, free(t, global, ""))
	require.NoError(t, held.Release())
	wait(t, waiting)
	require.Equal(t, 1, free(t, global, ""))
}

func TestAllKeepsItsHostWhileItWaitsForTheGlobalSlot(t *testing.T) {
	perHost, global := slot.NewLocalKeyed(1), slot.NewLocal(1)
	src := slot.All(perHost, global)
	held := take(t, global, "")
	waiting := queue(t, src, "a")
	require.Zero(t, free(t, perHost, "a"))
	require.NoError(t, waiting.Close())
	require.NoError(t, waiting.Close())
	require.Equal(t, 1, free(t, perHost, "a"), "a claim that leaves gives back what it held")
	require.NoError(t, held.Release())
	require.Equal(t, 1, free(t, global, ""), "and its place in line")
}

func TestLosingOnePartOfAllReleasesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		perHost, global := slot.NewLocalKeyed(1), slot.NewLocal(1)
		src := slot.All(perHost, global)
		s := take(t, src, "a")
		child, cancel := context.WithCancel(s.Context())
		defer cancel()
		global.Close(t.Context())
		require.ErrorIs(t, s.Context().Err(), context.Canceled, "ended without waiting for anything")
		require.ErrorIs(t, context.Cause(s.Context()), slot.ErrLost)
		synctest.Wait()
		require.ErrorIs(t, context.Cause(child), slot.ErrLost)
		require.Equal(t, 1, free(t, perHost, "a"))
		require.ErrorIs(t, s.Release(), slot.ErrLost)
	})
}

func TestAllEndsInTheCallThatEndsAPart(t *testing.T) {
	for lost := range 2 {
		parts := []*slottest.Breakable{slottest.NewBreakable(slot.NewLocal(1)), slottest.NewBreakable(slot.NewLocal(1))}
		s := take(t, slot.All(parts[0], parts[1]), "k")
		child, cancel := context.WithCancel(s.Context())
		defer cancel()
		done := child.Done()
		parts[lost].Expire("k")
		select {
		case <-done:
		default:
			t.Errorf("part %d was lost, and who waits has not been told", lost+1)
		}
		require.ErrorIs(t, s.Release(), slot.ErrLost)
	}
}

func TestLosingAPartWhileAllWaitsForTheNextFailsTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, perHost, global := slot.NewLocal(1), slot.NewLocalKeyed(1), slot.NewLocal(1)
		src := slot.All(first, perHost, global)
		take(t, global, "")
		waiting := queue(t, src, "a")
		ended := make(chan error)
		go func() {
			_, err := waiting.Wait(t.Context())
			ended <- err
		}()
		synctest.Wait()
		first.Close(t.Context())
		require.ErrorIs(t, <-ended, slot.ErrLost)
		require.Equal(t, 1, free(t, perHost, "a"))
	})
}

func TestARefusalByOneSourceOfAllReleasesTheOthers(t *testing.T) {
	perHost, global := slot.NewLocalKeyed(1), slot.NewLocal(1)
	src := slot.All(perHost, global)
	global.Close(t.Context())
	_, err := src.Enqueue(t.Context(), "a")
	require.ErrorIs(t, err, slot.ErrClosed)
	_, _, err = slot.Try(t.Context(), src, "a")
	require.ErrorIs(t, err, slot.ErrClosed)
	require.Equal(t, 1, free(t, perHost, "a"))
}

func TestARefusalAfterAWaitReleasesTheOthers(t *testing.T) {
	perHost, global := slot.NewLocalKeyed(1), slot.NewLocal(1)
	held := take(t, perHost, "a")
	waiting := queue(t, slot.All(perHost, global), "a")
	global.Close(t.Context())
	require.NoError(t, held.Release())
	_, err := waiting.Wait(t.Context())
	require.ErrorIs(t, err, slot.ErrClosed)
	require.Equal(t, 1, free(t, perHost, "a"))
}

func TestTryOfAllHoldsNothingWhenItFails(t *testing.T) {
	perHost, global := slot.NewLocalKeyed(1), slot.NewLocal(1)
	take(t, global, "")
	_, ok, err := slot.Try(t.Context(), slot.All(perHost, global), "a")
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, 1, free(t, perHost, "a"))
}

func TestClosingATicketOfAllEndsItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		perHost, global := slot.NewLocalKeyed(1), slot.NewLocal(1)
		take(t, global, "")
		waiting := queue(t, slot.All(perHost, global), "a")
		ended := make(chan error)
		go func() {
			_, err := waiting.Wait(t.Context())
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, waiting.Close())
		require.ErrorIs(t, <-ended, slot.ErrClosed)
		require.Equal(t, 1, free(t, perHost, "a"))
	})
}

func TestTheLimitOfAllIsTheSmallest(t *testing.T) {
	src := slot.All(slot.NewLocalKeyed(4), slot.NewLocal(12)).(slot.Limiter)
	n, ok := src.Limit("a")
	require.True(t, ok)
	require.Equal(t, 4, n)
	_, ok = slot.All(slot.NewLocal(1), plain{slot.NewLocal(1)}).(slot.Limiter).Limit("a")
	require.False(t, ok, "one that is not known could be the smallest")
}

// plain hides what a source can do beside the interface.
type plain struct{ slot.Source }

func TestAllOfOneSourceIsThatSource(t *testing.T) {
	src := slot.NewLocal(1)
	require.Same(t, src, slot.All(src))
}

func TestAllOfNothingRefusesEveryClaim(t *testing.T) {
	for _, src := range []slot.Source{
		slot.All(), slot.All(nil), slot.All(slot.NewLocal(1), nil), slot.All(slot.NewLocal(1), slot.NewLocal(0)),
	} {
		refusesEverything(t, src)
	}
}

// A claim of such a source would wait for a slot that it holds itself.
func TestAllRefusesTheSameSourceTwice(t *testing.T) {
	a, b := slot.NewLocal(1), slot.NewLocal(1)
	for name, src := range map[string]slot.Source{
		"beside itself":    slot.All(a, a),
		"nested":           slot.All(a, slot.All(b, a)),
		"nested first":     slot.All(slot.All(b, a), a),
		"twice nested":     slot.All(slot.All(a, b), slot.All(slot.NewLocal(1), b)),
		"in MinHold":       slot.All(a, slot.MinHold(a, 1)),
		"in Fallback":      slot.All(slot.Fallback(b, a, 0), a),
		"in a wrapper":     slot.All(wrapped{a}, wrapped{wrapped{a}}),
		"in several":       slot.All(a, wrappedAll{plain{b}, []slot.Source{b, a}}),
		"in one of two":    slot.All(wrapped{slot.All(a, b)}, slot.MinHold(b, 1)),
		"a part within it": slot.All(slot.NewLocal(1), slot.All(a, slot.MinHold(a, 1))),
	} {
		require.ErrorContains(t, slot.Check(src), "of All", name)
		require.Equal(t, slot.Check(src), slot.Check(wrapped{src}), name)
		_, err := src.Enqueue(t.Context(), "k")
		require.Error(t, err, name)
	}
	require.NoError(t, slot.Check(slot.All(a, slot.MinHold(b, 1), slot.NewLocalKeyed(1))))
}

// wrappedAll is a source around several others.
type wrappedAll struct {
	plain
	others []slot.Source // which makes it a source that cannot be compared
}

func (w wrappedAll) Unwrap() []slot.Source { return w.others }

func TestTheInfoOfAllIsTheCarefulOne(t *testing.T) {
	now := time.Now()
	src := slot.All(
		described{slot.NewLocal(1), slot.Info{GrantedAt: now, ConfirmedAt: now.Add(3), Fence: 7, Strict: true}},
		described{slot.NewLocal(2), slot.Info{GrantedAt: now.Add(2), ConfirmedAt: now.Add(2), Fence: 9,
			Queued: true, SingleUse: true, ExpiresAt: now.Add(9)}},
	)
	require.Equal(t, slot.Info{
		Key: "k", Limit: 1, GrantedAt: now.Add(2), ConfirmedAt: now.Add(3), Queued: true, Fence: 7,
		SingleUse: true, Strict: false, ExpiresAt: now.Add(9),
	}, take(t, src, "k").Info())
}

// described is a source whose slots have the Info given.
type described struct {
	*slot.Local
	info slot.Info
}

type describedTicket struct {
	slot.Ticket
	info slot.Info
}

type describedSlot struct {
	slot.Slot
	info slot.Info
}

func (d described) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	ticket, err := d.Local.Enqueue(ctx, key)
	return describedTicket{ticket, d.info}, err
}

func (t describedTicket) Slot() (slot.Slot, bool) {
	s, ok := t.Ticket.Slot()
	return describedSlot{s, t.info}, ok
}

func (s describedSlot) Info() slot.Info { return s.info }

func TestClosingAllClosesEverySourceAndJoinsTheirErrors(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	err := slot.All(failsToClose{slot.NewLocal(1), a}, failsToClose{slot.NewLocal(1), b}).Close(t.Context())
	require.ErrorIs(t, err, a)
	require.ErrorIs(t, err, b)
}

type failsToClose struct {
	slot.Source
	err error
}

func (f failsToClose) Close(context.Context) error { return f.err }

func ExampleAll() {
	ctx := context.Background()
	perHost := slot.NewLocalKeyed(4) // 4 slots for each key
	global := slot.NewLocal(12)      // 12 in all
	src := slot.All(perHost, global) // the scarce one last
	defer src.Close(ctx)

	ticket, _ := src.Enqueue(ctx, "example.com")
	s, _ := ticket.Wait(ctx) // one slot of each
	defer s.Release()        // gives both back
	n, _ := src.(slot.Limiter).Limit("example.com")
	fmt.Println("at most", n, "for", s.Info().Key)
	// Output: at most 4 for example.com
}

// The line that a claim of All is in is that of the source that it waits for.
func TestATicketOfAllKnowsWhereItIsInTheLineThatItWaitsIn(t *testing.T) {
	host, all := slot.NewLocalKeyed(1), slot.NewLocal(1)
	src := slot.All(host, all)
	a, b := take(t, src, "a"), queue(t, src, "b")
	n, ok := slot.Ahead(b)
	require.True(t, ok)
	require.Zero(t, n, "the host's slot was free")
	n, ok = slot.Ahead(queue(t, src, "c"))
	require.True(t, ok)
	require.Equal(t, 1, n)
	queue(t, src, "a")
	n, ok = slot.Ahead(queue(t, src, "a"))
	require.True(t, ok)
	require.Equal(t, 1, n, "in the line of the host")
	_, ok = slot.Ahead(nil)
	require.False(t, ok)
	require.NoError(t, a.Release())
}
