package slot_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"

	"github.com/berth-go/berth/slot"
)

// byKey has one semaphore, which a claim with key "3" brings the limit 3 to.
func byKey(key string) (string, int, error) {
	n, err := strconv.Atoi(key)
	return "k", n, err
}

// A brought is a claim of a small world, and whether it was granted its slot.
type brought struct {
	limit   int
	ticket  slot.Ticket
	granted bool
}

func (b *brought) end(t *testing.T) {
	if !b.granted {
		require.NoError(t, b.ticket.Close())
		return
	}
	s, err := b.ticket.Wait(context.Background())
	require.NoError(t, err)
	require.Equal(t, b.limit, s.Info().Limit)
	require.NoError(t, s.Release())
}

// TestALocalSourceKeepsEachClaimsOwnLimitInEveryOrder tries every order in which
// claims of three limits come and go: a claim holds a slot exactly if its rank among
// those that hold and wait is at most the smallest limit up to its own.
func TestALocalSourceKeepsEachClaimsOwnLimitInEveryOrder(t *testing.T) {
	const kinds, depth = 3, 6
	src := slot.NewLocalLimits(slot.LimitBy(byKey))
	histories := 0
	var try func(history []int)
	try = func(history []int) {
		var live []*brought
		for _, step := range history {
			if step >= kinds {
				live[step-kinds].end(t)
				live = slices.Delete(live, step-kinds, step-kinds+1)
				continue
			}
			b := &brought{limit: step + 1}
			ctx := slot.WithTrace(context.Background(), &slot.Trace{Granted: func(time.Time) { b.granted = true }})
			var err error
			b.ticket, err = src.Enqueue(ctx, fmt.Sprint(b.limit))
			require.NoError(t, err)
			live = append(live, b)
		}
		least := kinds
		for i, b := range live {
			least = min(least, b.limit)
			require.Equalf(t, i+1 <= least, b.granted, "rank %d of limit %d after %v", i+1, b.limit, history)
		}
		n := len(live)
		for i := range live {
			live[n-1-i].end(t)
		}
		require.Zero(t, src.Lines())
		if histories++; len(history) < depth {
			for step := range kinds + n {
				try(append(slices.Clone(history), step))
			}
		}
	}
	try(nil)
	counts.Report(t, counts.Of{"histories": histories})
	t.Logf("%d histories", histories)
}

func TestALocalSourceTakesTheLimitsOfAnEngine(t *testing.T) {
	require.ErrorContains(t, slot.Check(slot.NewLocalLimits(slot.Limits{})), "slot: a local source: no limits are given")
	src := slot.NewLocalLimits(slot.Keyed("host:", 1))
	held := take(t, src, "a")
	queue(t, src, "a")
	take(t, src, "b")
	require.Equal(t, slot.Info{Key: "a", Limit: 1, Strict: true, GrantedAt: held.Info().GrantedAt, ConfirmedAt: held.Info().ConfirmedAt}, held.Info())
	_, err := src.Enqueue(t.Context(), "")
	require.ErrorIs(t, err, slot.ErrKey)

	errX := errors.New("no such plan")
	src = slot.NewLocalLimits(slot.LimitBy(func(string) (string, int, error) { return "", 0, errX }))
	_, err = src.Enqueue(t.Context(), "x")
	require.EqualError(t, err, `slot: key "x": the function of slot.LimitBy has no limit for key "x": no such plan`)
	require.ErrorIs(t, err, errX)
	require.True(t, slot.IsPermanent(err))
	_, _, err = src.Try(t.Context(), "x")
	require.ErrorIs(t, err, errX)
	_, ok := src.Limit("x")
	require.False(t, ok)
}
