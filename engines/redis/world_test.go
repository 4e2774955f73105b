package redis

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// The leases of the sources in tests: in fake time, and in real time, where a busy
// machine must not seem to be a silent server.
const (
	fakeLease = 2 * time.Second
	realLease = 2 * time.Second
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
	first, err := w.db.Dial() // starts it
	require.NoError(t, err)
	require.NoError(t, first.Close())
	w.net = faultnet.New(func(context.Context) (net.Conn, error) { return w.db.Dial() })
	t.Cleanup(func() {
		w.net.Close()
		w.db.Close()
		time.Sleep(time.Minute) // clients that are closed still wait until they would repeat something
	})
	return w
}

// hook has f called before each command, also those of scripts. f answers itself where
// it returns true.
func (w *world) hook(f func(c *server.Peer, cmd string, args ...string) bool) {
	w.db.Server().SetPreHook(f)
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
	timeout := 200 * time.Millisecond
	if w.db == nil {
		timeout = 500 * time.Millisecond
	}
	c := goredis.NewClient(&goredis.Options{
		Addr: "127.0.0.1:6379", Dialer: w.net.Dialer(machine), ReadTimeout: timeout, WriteTimeout: timeout,
		DialTimeout: timeout, DialerRetries: 1, PoolTimeout: 500 * time.Millisecond,
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

// claim returns a slot that is free.
func (w *world) claim(s *Source, key string) slot.Slot {
	w.t.Helper()
	got, ok := w.enqueue(s, key).Slot()
	require.True(w.t, ok, "no slot of %q is free", key)
	return got
}

func (w *world) enqueue(s *Source, key string) slot.Ticket {
	w.t.Helper()
	ticket, err := s.Enqueue(w.t.Context(), key)
	require.NoError(w.t, err)
	return ticket
}

// queue returns a place in line.
func (w *world) queue(s *Source, key string) slot.Ticket {
	w.t.Helper()
	ticket := w.enqueue(s, key)
	_, ok := ticket.Slot()
	require.False(w.t, ok, "a slot of %q was free", key)
	return ticket
}

// wait returns the slot of a ticket, and how long that took.
func (w *world) wait(ticket slot.Ticket) (slot.Slot, time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	begin := time.Now()
	got, err := ticket.Wait(ctx)
	require.NoError(w.t, err)
	return got, time.Since(begin)
}

// ended waits for the end of a slot, and returns how long that took and why.
func (w *world) ended(s slot.Slot) (time.Duration, error) {
	w.t.Helper()
	begin := time.Now()
	select {
	case <-s.Context().Done():
	case <-time.After(time.Minute):
		w.t.Fatal("the slot goes on")
	}
	return time.Since(begin), context.Cause(s.Context())
}

// counts returns how many claims have a slot, and how many are in line in all.
func (w *world) counts(name string) (held, all int) {
	members, _ := w.db.ZMembers(lineKeys(defaultPrefix, name)[0])
	for _, m := range members {
		switch m[0] {
		case 'h':
			held++
		case 'l':
			all++
		}
	}
	return held, all
}
