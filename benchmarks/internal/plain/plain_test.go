package plain

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/dflockd/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPlainClientHoldsASlotWhileTheJobRuns(t *testing.T) {
	srv, err := server.Start(t.Context(), server.WithAddress("127.0.0.1:0"))
	require.NoError(t, err)
	defer srv.Close()
	d := Dialer{Addr: srv.Addr().String()}
	watch, err := d.Dial()
	require.NoError(t, err)
	defer watch.Close()
	ran := false
	require.NoError(t, d.Once("k", 2, func() {
		ran = true
		stats, err := watch.Stats()
		require.NoError(t, err)
		require.Equal(t, 1, stats.Holders("k"))
	}))
	require.True(t, ran)
	stats, err := watch.Stats()
	require.NoError(t, err)
	require.Zero(t, stats.Holders("k"))
}

func TestPlainClientReportsARefusal(t *testing.T) {
	srv, err := server.Start(t.Context(), server.WithAddress("127.0.0.1:0"))
	require.NoError(t, err)
	defer srv.Close()
	c, err := Dialer{Addr: srv.Addr().String()}.Dial()
	require.NoError(t, err)
	defer c.Close()
	require.Error(t, c.Release("k", "00000000000000000000000000000001"))
}
