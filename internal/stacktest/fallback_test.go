package stacktest_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

// With two servers of which one is down, claims for its keys use the local
// share, and those for the keys of the other do not, whoever claims meanwhile.
func TestFallbackCountsOutagesPerServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := map[string]*server.Server{}
		for _, addr := range []string{"a:1", "b:1"} {
			srv, err := server.Start(t.Context(), server.WithInMemory())
			require.NoError(t, err)
			defer srv.Close()
			servers[addr] = srv
		}
		var down atomic.Bool
		down.Store(true)
		dial := func(ctx context.Context, _, addr string) (net.Conn, error) {
			if addr == "b:1" && down.Load() {
				return nil, errors.New("connection refused")
			}
			return servers[addr].Dial(ctx)
		}
		src, err := dflockd.NewSource(slot.Keyed("", 1), dflockd.WithServers("a:1", "b:1"), dflockd.WithDialer(dial),
			dflockd.WithSharding(func(key string, _ int) int { return int(key[0] - 'a') }))
		require.NoError(t, err)
		local := slot.NewLocalKeyed(1)
		both := slot.Fallback(src, local, 0)
		defer both.Close(t.Context())

		isLocal := func(key string) bool {
			var is bool
			require.NoError(t, slot.Do(t.Context(), both, key, func(context.Context) error {
				s, ok, err := slot.Try(t.Context(), local, key)
				if ok {
					_ = s.Release()
				}
				is = !ok
				return err
			}))
			return is
		}
		for range 5 {
			require.True(t, isLocal("b-key"))
			require.False(t, isLocal("a-key"))
			require.ErrorIs(t, slot.Do(t.Context(), both, "", nothing), slot.ErrKey)
			time.Sleep(3 * time.Second)
		}
		down.Store(false)
		time.Sleep(10 * time.Second)
		require.False(t, isLocal("b-key"))
	})
}

func nothing(context.Context) error { return nil }
