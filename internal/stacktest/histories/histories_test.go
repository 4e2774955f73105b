package histories_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/stacktest/histories"
	"github.com/berth-go/berth/slot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func play(seed uint64, sources ...slot.Source) histories.Play {
	return histories.Play{Seed: seed, Sources: sources, Claimants: 3, Claims: 100, Unit: 100 * time.Millisecond, Long: 10 * time.Second}
}

func TestHistoriesOfASourceThatKeepsItsPromisesAreLinearizable(t *testing.T) {
	seed := faultnet.Seed(t)
	synctest.Test(t, func(t *testing.T) {
		src := slot.NewLocalLimits(histories.Limits())
		h := histories.Record(t.Context(), play(seed, src, src))
		require.NoError(t, h.Check())
		require.Equal(t, 100, h.Claims)
		require.Positive(t, h.Grants)
		require.Positive(t, h.Given)
		require.NoError(t, src.Close(t.Context()))
	})
}

// Two sources that know nothing of each other grant each slot twice.
func TestAHistoryInWhichMoreAreHeldThanMayIsNoticed(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			a, b := slot.NewLocalLimits(histories.Limits()), slot.NewLocalLimits(histories.Limits())
			h := histories.Record(t.Context(), play(seed, a, b))
			require.ErrorContains(t, h.Check(), "operations are Illegal", "seed %d", seed)
			require.NoError(t, a.Close(t.Context()))
			require.NoError(t, b.Close(t.Context()))
		})
	}
}

// lingering is a source whose slots keep their contexts for longer than they are held.
type lingering struct{ slot.Source }

func (l lingering) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	t, err := l.Source.Enqueue(ctx, key)
	return lingeringTicket{t}, err
}

type lingeringTicket struct{ slot.Ticket }

func (t lingeringTicket) Wait(ctx context.Context) (slot.Slot, error) {
	s, err := t.Ticket.Wait(ctx)
	if err != nil {
		return nil, err
	}
	time.AfterFunc(20*time.Millisecond, func() { _ = s.Release() }) // the engine takes it back, and tells nobody
	return lingeringSlot{s}, nil
}

type lingeringSlot struct{ slot.Slot }

func (lingeringSlot) Context() context.Context { return context.Background() }
func (s lingeringSlot) Release() error         { _ = s.Slot.Release(); return nil }

func TestASlotThatSomebodyElseGetsBeforeItsContextHasEndedIsNoticed(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			src := slot.NewLocalLimits(histories.Limits())
			h := histories.Record(t.Context(), play(seed, lingering{src}, lingering{src}))
			require.ErrorContains(t, h.Check(), "operations are Illegal", "seed %d", seed)
			require.NoError(t, src.Close(t.Context()))
		})
	}
}
