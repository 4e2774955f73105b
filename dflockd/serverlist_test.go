package dflockd

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

func TestAServerThatIsInTheListTwiceIsRefused(t *testing.T) {
	for _, pair := range [][2]string{
		{"a:1", "a:1"}, {"a:1", "A:1"}, {"a.example:6388", "a.example.:6388"}, {"127.0.0.1:6388", "127.0.0.1:06388"},
		{"[::1]:1", "[0:0:0:0:0:0:0:1]:1"}, {"127.0.0.1:1", "[::ffff:127.0.0.1]:1"},
	} {
		_, err := NewSource(slot.Fixed("k", 1), WithServers(pair[0], "b:1", pair[1]))
		require.ErrorContains(t, err, "dflockd: WithServers: ", pair)
		require.ErrorContains(t, err, "are one address: each server must be in the list once", pair)
		_, err = NewLock("k", WithServers(pair[0], pair[1]), WithCluster())
		require.Error(t, err, pair)
	}
	src, err := NewSource(slot.Fixed("k", 1), WithServers("a:1", "a:2", "b:1", "127.0.0.1:1", "[::1]:1"))
	require.NoError(t, err)
	require.NoError(t, src.Close(t.Context()))
}

// towards dials servers by address.
func towards(servers map[string]*network) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return servers[address].dial(ctx, network, address)
	}
}

func TestEachServerIsToldItsPlaceInTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := generous(t), generous(t)
		dial := towards(map[string]*network{"a:1": a.network, "b:1": b.network})
		src, err := NewSource(slot.Keyed("", 1), WithServers("a:1", "b:1"), WithDialer(dial))
		require.NoError(t, err)
		defer src.Close(t.Context())
		require.NoError(t, src.Ping(t.Context()))
		require.Equal(t, wire.ServerList{Index: 0, Count: 2}, a.requests[0].List)
		require.Equal(t, wire.ServerList{Index: 1, Count: 2}, b.requests[0].List)
		for _, key := range []string{"x", "y", "z", "crawl"} { // both servers have some
			lock, err := NewLock(key, WithServers("b:1", "a:1"), WithDialer(dial))
			require.NoError(t, err)
			mustAcquire(t, lock.holder)
			require.NoError(t, lock.Release())
		}
		require.Equal(t, wire.ServerList{Index: 1, Count: 2}, a.last(wire.Hello).List)
		require.Equal(t, wire.ServerList{Index: 0, Count: 2}, b.last(wire.Hello).List)
		alone := newTestSource(t, a, slot.Fixed("k", 1))
		claimNow(t, alone, "")
		require.Equal(t, wire.ServerList{Index: 0, Count: 1}, a.last(wire.Hello).List)
		cluster := newTestSource(t, a, slot.Fixed("k", 1), WithServers("a:1", "b:1"), WithCluster())
		_, err = cluster.Enqueue(t.Context(), "")
		require.NoError(t, err)
		require.True(t, a.last(wire.Hello).List.None(), "a cluster's members share no keys")
	})
}

func TestClientsWhoseListsDifferNeverHoldOneKeyTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := map[string]*network{}
		for _, address := range []string{"a:1", "b:1"} {
			_, ln := startServer(t)
			servers[address] = newNetwork(ln.serve)
		}
		source := func(addresses ...string) *Source {
			src, err := NewSource(slot.Keyed("", 1), WithServers(addresses...), WithDialer(towards(servers)), WithLease(5*time.Second))
			require.NoError(t, err)
			t.Cleanup(func() { _ = src.Close(context.Background()) })
			return src
		}
		one, other, fewer := source("a:1", "b:1"), source("b:1", "a:1"), source("a:1")
		held := []slot.Slot{}
		for _, key := range []string{"x", "y", "z", "crawl", "report"} { // both servers have some
			held = append(held, claimNow(t, one, key))
		}
		for _, src := range []*Source{other, fewer} {
			for _, key := range []string{"x", "y", "z", "crawl", "report", "new"} {
				_, err := src.Enqueue(t.Context(), key)
				require.ErrorIs(t, err, ErrServerLists, key)
				require.False(t, slot.IsPermanent(err), "it passes when the others have gone")
				require.NotErrorIs(t, err, slot.ErrUnavailable)
			}
		}
		_, err := fewer.Enqueue(t.Context(), "x")
		require.EqualError(t, err, `dflockd: claim "x" at a:1: other clients have another list of servers: this client has the server as number 1 of 1, `+
			`and clients that hold or wait for slots have it as number 1 of 2: give all clients the same list, or start the server with --allow-mixed-server-lists`)
		for _, s := range held {
			require.NoError(t, s.Release())
		}
		synctest.Wait()
		claimNow(t, other, "x")
	})
}

func TestTwoAddressesOfOneServerAreNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := map[string]*network{}
		_, ln := startServer(t)
		servers["a:1"], servers["alias:1"] = newNetwork(ln.serve), newNetwork(ln.serve)
		src, err := NewSource(slot.Keyed("", 1), WithServers("a:1", "alias:1"), WithDialer(towards(servers)))
		require.NoError(t, err)
		defer src.Close(context.Background())
		err = src.Ping(t.Context())
		require.ErrorIs(t, err, ErrServerLists)
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.False(t, slot.IsPermanent(err))
		require.ErrorContains(t, err, "are one and the same server: have it in the list once (WithServers)")
		for _, address := range []string{"a:1", "alias:1"} {
			require.ErrorContains(t, err, address)
		}

		// The address is made to lead to a server of its own.
		_, own := startServer(t)
		servers["alias:1"].serve = own.serve
		goesOn := func() {
			time.Sleep(2 * longestBackoff) // and so idle connections end
			require.Eventually(t, func() bool { return src.Ping(t.Context()) == nil }, time.Minute, time.Second)
		}
		goesOn()

		// And a server comes up at the other's address, after that one has gone.
		servers["a:1"].set(func() { servers["a:1"].down = errReset })
		servers["a:1"].reset()
		servers["alias:1"].reset()
		synctest.Wait()
		require.Error(t, src.Ping(t.Context()))
		servers["a:1"].set(func() { servers["a:1"].down = nil })
		servers["a:1"].serve, servers["alias:1"].serve = own.serve, ln.serve
		goesOn()
	})
}

// TestAServerOfOldAnswersAndIsAnswered: a client that is told no ID, and a server
// whose client tells no place, go on as before.
func TestAServerOfOldAnswersAndIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := strictly(t), strictly(t) // they say the same, and no ID
		src, err := NewSource(slot.Keyed("", 1), WithServers("a:1", "b:1"),
			WithDialer(towards(map[string]*network{"a:1": a.network, "b:1": b.network})))
		require.NoError(t, err)
		defer src.Close(t.Context())
		require.NoError(t, src.Ping(t.Context()))
		_, ln := startServer(t, server.WithMixedServerLists())
		n := newNetwork(ln.serve)
		for _, list := range [][]string{{"a:1", "b:1"}, {"a:1"}} {
			lock, err := NewLock("x", WithServers(list...), WithDialer(n.dial))
			require.NoError(t, err)
			mustAcquire(t, lock.holder)
			require.NoError(t, lock.Release())
		}
	})
}

func TestALeaderIsFoundInTheListHoweverItIsSpelled(t *testing.T) {
	cfg, err := newConfig([]Option{WithServers("a.example:1", "B.example:2"), WithCluster()})
	require.NoError(t, err)
	e := newEndpoint(cfg, cfg.servers...)
	defer e.stop()
	require.NotErrorIs(t, e.follow(nil, wire.Reply{Status: wire.ErrorNotLeader, Text: "b.example:2"}), errUnlisted)
	require.Equal(t, 1, e.leader)
	for _, stranger := range []string{"c.example:2", "b.example:1", "b.example", ":0"} {
		require.ErrorIs(t, e.follow(nil, wire.Reply{Status: wire.ErrorNotLeader, Text: stranger}), errUnlisted, stranger)
	}
}
