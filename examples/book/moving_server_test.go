package book

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

func TestTheWaysToHoldALockDoTheirWork(t *testing.T) {
	srv, err := server.Start(context.Background(), server.WithAddress("127.0.0.1:0"))
	require.NoError(t, err)
	defer srv.Close()
	addr := srv.Addr().String()
	before := reports.n
	require.NoError(t, lockFor(t.Context(), addr))
	require.NoError(t, lockByHand(t.Context(), addr))
	require.NoError(t, slotByHand(t.Context(), slot.NewLocalKeyed(1), "report"))
	require.Equal(t, 3, reports.n-before)
}
