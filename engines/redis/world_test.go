package redis

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// testLease is the lease of the sources in tests.
const testLease = 2 * time.Second

// A world is a Redis in memory and the network before it. It is made in a bubble of
// testing/synctest, where its clock is that of the bubble.
type world struct {
	t   *testing.T
	db  *miniredis.Miniredis
	net *faultnet.Net
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: miniredis.NewMiniRedis()}
	w.db.ClockTTL(true)
	w.net = faultnet.New(func(context.Context) (net.Conn, error) { return w.db.Dial() })
	t.Cleanup(func() {
		w.net.Close()
		w.db.Close()
	})
	return w
}

// client returns a client on a machine of the network.
func (w *world) client(machine string) *goredis.Client {
	w.t.Helper()
	c := goredis.NewClient(&goredis.Options{
		Addr: "127.0.0.1:6379", Dialer: w.net.Dialer(machine), ReadTimeout: 200 * time.Millisecond, WriteTimeout: 200 * time.Millisecond,
		DialTimeout: 200 * time.Millisecond, DialerRetries: 1, PoolTimeout: 500 * time.Millisecond,
	})
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// source returns a source on a machine, with leases of testLease.
func (w *world) source(machine string, limits slot.Limits, opts ...Option) *Source {
	w.t.Helper()
	s, err := NewSource(w.client(machine), limits, append([]Option{WithLease(testLease), WithName(machine)}, opts...)...)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, s.Close(context.Background())) })
	return s
}
