package stacktest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// TestPartitionOfRealSocketsEndsTheSlotAndWorkGoesOn is the silent partition
// over TCP: nothing arrives and nothing is refused.
func TestPartitionOfRealSocketsEndsTheSlotAndWorkGoesOn(t *testing.T) {
	srv, err := server.Start(t.Context(), server.WithAddress("127.0.0.1:0"))
	require.NoError(t, err)
	defer srv.Close()
	proxy, err := faultnet.NewProxy(srv.Addr().String())
	require.NoError(t, err)
	defer proxy.Close()
	// Renewed after a second and lost after one more: a slow machine has the rest.
	src, err := dflockd.NewSource(slot.Fixed("k", 1), dflockd.WithServers(proxy.Address()), dflockd.WithLease(10*time.Second), dflockd.WithRenewRatio(0.1))
	require.NoError(t, err)
	defer src.Close(context.Background())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	held := claim(ctx, t, src)
	proxy.Set(faultnet.Everybody, faultnet.Conditions{HoldUp: true, HoldDown: true})
	select {
	case <-held.Context().Done():
	case <-ctx.Done():
		require.Fail(t, "the context of a slot did not end in a partition")
	}
	require.ErrorIs(t, context.Cause(held.Context()), slot.ErrLost)
	require.ErrorIs(t, held.Release(), slot.ErrLost)

	proxy.Set(faultnet.Everybody, faultnet.Conditions{})
	require.NoError(t, claim(ctx, t, src).Release())
}

// claim waits for a slot, over outages, until ctx ends.
func claim(ctx context.Context, t *testing.T, src slot.Source) slot.Slot {
	t.Helper()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		s, err := claimOnce(ctx, src)
		if err == nil {
			return s
		}
		require.NoError(t, ctx.Err(), err)
		<-retry.C
	}
}

func claimOnce(ctx context.Context, src slot.Source) (slot.Slot, error) {
	ticket, err := src.Enqueue(ctx, "")
	if err != nil {
		return nil, err
	}
	if s, ok := ticket.Slot(); ok {
		return s, nil
	}
	return ticket.Wait(ctx)
}
