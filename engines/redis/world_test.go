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

// The leases of the sources in tests: in fake time, and in real time.
const (
	fakeLease = 2 * time.Second
	realLease = shortestLease
)

// A world is a Redis and the network before it.
type world struct {
	t   *testing.T
	net *faultnet.Net
	db  *miniredis.Miniredis // nil: the Redis is a program

	lease time.Duration
}

// newWorld returns a world whose Redis is in memory. It is made in a bubble of
// testing/synctest, whose clock is that of all of it.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: miniredis.NewMiniRedis(), lease: fakeLease}
	w.db.ClockTTL(true)
	w.net = faultnet.New(func(context.Context) (net.Conn, error) { return w.db.Dial() })
	t.Cleanup(func() {
		w.net.Close()
		w.db.Close()
	})
	return w
}

// world returns one whose Redis is a program, and empty.
func (p *program) world(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, net: faultnet.New(p.dial), lease: realLease}
	t.Cleanup(w.net.Close)
	c := p.client()
	defer c.Close()
	require.NoError(t, c.FlushAll(t.Context()).Err())
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

// source returns a source on a machine, with the leases of the world.
func (w *world) source(machine string, limits slot.Limits, opts ...Option) *Source {
	w.t.Helper()
	s, err := NewSource(w.client(machine), limits, append([]Option{WithLease(w.lease), WithName(machine)}, opts...)...)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, s.Close(context.Background())) })
	return s
}
