package redis

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/lockserver"
	"github.com/berth-go/berth/slot"
)

// settings has the server tell of these.
func (w *world) settings(are map[string]string) {
	w.hook(func(c *server.Peer, cmd string, args ...string) bool {
		if cmd != "CONFIG" {
			return false
		}
		value, ok := are[args[1]]
		if !ok {
			c.WriteError("ERR unknown command `CONFIG`")
			return true
		}
		c.WriteMapLen(1)
		c.WriteBulk(args[1])
		c.WriteBulk(value)
		return true
	})
}

func TestAServerThatCanForgetIsRefusedWhereItMustNot(t *testing.T) {
	good := map[string]string{"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "always"}
	for _, bad := range []struct{ setting, value string }{
		{"maxmemory-policy", "allkeys-lru"}, {"appendonly", "no"}, {"appendfsync", "everysec"},
	} {
		t.Run(bad.setting, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				is := map[string]string{}
				for k, v := range good {
					is[k] = v
				}
				is[bad.setting] = bad.value
				w.settings(is)
				a := w.source("a", slot.Fixed("k", 1), WithDurable())
				_, err := a.Enqueue(t.Context(), "")
				require.ErrorIs(t, err, ErrNotDurable)
				require.True(t, slot.IsPermanent(err))
				require.ErrorContains(t, err, bad.setting+" "+bad.value)
				require.ErrorIs(t, a.Ping(t.Context()), ErrNotDurable)
				require.False(t, w.claim(w.source("b", slot.Fixed("k", 1)), "").Info().Strict, "others may")

				w.settings(good)
				time.Sleep(checkEvery)
				a = w.source("c", slot.Fixed("j", 1), WithDurable())
				got := w.claim(a, "")
				require.True(t, got.Info().Strict)
				require.NotZero(t, got.Info().Fence)

				// It is looked at again when there was another connection.
				w.settings(is)
				w.net.Reset("c")
				time.Sleep(w.lease)
				_, err = a.Enqueue(t.Context(), "")
				require.ErrorIs(t, err, ErrNotDurable)
				require.ErrorIs(t, err, slot.ErrUnavailable)
				require.False(t, slot.IsPermanent(err), "it was right before")
				require.NoError(t, got.Context().Err())
				w.settings(good)
				time.Sleep(checkEvery)
				w.queue(a, "")
			})
		})
	}
}

func TestWhatAServerDoesNotTellIsTakenAsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settings(nil)
		require.NoError(t, w.source("a", slot.Fixed("k", 1), WithDurable()).Ping(t.Context()))
		info := atomic.Value{}
		info.Store("maxmemory_policy:noeviction\r\naof_enabled:1\r\n")
		w.hook(func(c *server.Peer, cmd string, _ ...string) bool {
			switch cmd {
			case "CONFIG":
				c.WriteError("NOPERM this user has no permissions to run the 'config|get' command")
			case "INFO":
				c.WriteBulk(info.Load().(string))
			default:
				return false
			}
			return true
		})
		require.NoError(t, w.source("b", slot.Fixed("k", 1), WithDurable()).Ping(t.Context()))
		info.Store("maxmemory_policy:noeviction\r\naof_enabled:0\r\n")
		err := w.source("c", slot.Fixed("k", 1), WithDurable()).Ping(t.Context())
		require.ErrorIs(t, err, ErrNotDurable)
		require.ErrorContains(t, err, "appendonly 0")
	})
}

func TestAnOldServerIsNoticed(t *testing.T) {
	for version, ok := range map[string]bool{"6.2.0": true, "7.0.15": true, "8.2": true, "6.0.16": false, "5.0.14": false, "2.8": false, "": true, "unstable": true} {
		require.Equal(t, ok, checkVersion(version) == nil, version)
	}
	require.True(t, slot.IsPermanent(checkVersion("5.0.14")))
}

func TestARealServersSettingsAreLookedAt(t *testing.T) {
	p := startServer(t)
	c := p.client()
	defer c.Close()
	s, err := NewSource(c, slot.Fixed("k", 1), WithDurable())
	require.NoError(t, err)
	defer s.Close(context.Background())
	require.ErrorContains(t, s.Ping(t.Context()), "appendonly no")
	for _, set := range [][2]string{{"appendonly", "yes"}, {"appendfsync", "always"}} {
		require.NoError(t, c.ConfigSet(t.Context(), set[0], set[1]).Err())
	}
	again, err := NewSource(c, slot.Fixed("k", 1), WithDurable())
	require.NoError(t, err)
	defer again.Close(context.Background())
	require.NoError(t, again.Ping(t.Context()))
}

// A restart is what a server that is killed and started again does to a slot that is
// held, and to a place in line.
func TestARestartWithoutAppendonlyForgetsSlotsAndTheirHoldersAreTold(t *testing.T) {
	p := startServer(t)
	w := p.world(t)
	a, b := w.source("a", slot.Fixed("k", 1)), w.source("b", slot.Fixed("k", 1))
	held := w.claim(a, "")
	ticket := w.queue(b, "")
	p.restart(w)
	// This is the cost: until a is told, two hold what one held.
	got := w.claimAgain(b)
	require.False(t, got.Info().Strict)
	_, cause := w.ended(held)
	require.ErrorIs(t, cause, slot.ErrLost)
	_, err := ticket.Wait(t.Context())
	require.ErrorIs(t, err, slot.ErrUnavailable, "places in line are lost, too")
	require.NoError(t, got.Context().Err())
	require.NoError(t, got.Release())
}

func TestARestartWithAppendonlyKeepsSlotsPlacesAndFences(t *testing.T) {
	p := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	w := p.world(t)
	w.lease = 20 * time.Second // longer than a restart takes on a busy machine
	a, b := w.source("a", slot.Fixed("k", 1), WithDurable()), w.source("b", slot.Fixed("k", 1), WithDurable())
	held := w.claim(a, "")
	ticket := w.queue(b, "")
	p.restart(w)
	require.Eventually(t, func() bool {
		_, ok, err := slot.Try(t.Context(), b, "")
		require.False(t, ok, "somebody holds the slot")
		return err == nil
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, held.Context().Err())
	require.NoError(t, held.Release())
	got, _ := w.wait(ticket)
	require.Greater(t, got.Info().Fence, held.Info().Fence)
	require.NoError(t, got.Release())
}

// A replica that takes over knows what it had been sent. Here it was sent nothing for
// a while, as over a slow network.
func TestAFailoverForgetsWhatTheReplicaHadNotHeard(t *testing.T) {
	master := startServer(t)
	// A replica needs a port of its master.
	port := freePort(t)
	master.kill()
	master.args = append(master.args, "--port", port, "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0")
	master.start()
	replica := startServer(t, "--replicaof", "127.0.0.1", port)
	rc := replica.client()
	defer rc.Close()
	require.Eventually(t, func() bool {
		text, err := rc.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(text, "master_link_status:up")
	}, 20*time.Second, 10*time.Millisecond)

	w := master.world(t)
	limits := slot.Keyed("", 1)
	a, b := w.source("a", limits), w.source("b", limits)
	known := w.claim(a, "known")
	require.Eventually(t, func() bool {
		n, err := rc.Exists(t.Context(), lineKeys(defaultPrefix, "known")...).Result()
		return err == nil && n > 0
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, rc.ReplicaOf(t.Context(), "no", "one").Err()) // it hears nothing from here on
	unknown := w.claim(a, "unknown")

	master.kill()
	w.net.SetServer(replica.dial)
	got := w.claimKey(b, "unknown") // the cost
	_, cause := w.ended(unknown)
	require.ErrorIs(t, cause, slot.ErrLost, "and what is told soon")
	require.NoError(t, got.Context().Err())
	_, ok, err := b.Try(t.Context(), "known")
	require.NoError(t, err)
	require.False(t, ok && known.Context().Err() == nil, "what had been heard is kept")
	require.NoError(t, got.Release())
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(lockserver.FreeAddress(t))
	require.NoError(t, err)
	return port
}

// restart kills the program and starts it again.
func (p *program) restart(w *world) {
	p.t.Helper()
	p.kill()
	w.net.Reset("")
	p.start()
}

// claimAgain returns the slot of a claim that is made until it succeeds.
func (w *world) claimAgain(s *Source) slot.Slot { return w.claimKey(s, "") }

func (w *world) claimKey(s *Source, key string) slot.Slot {
	w.t.Helper()
	var got slot.Slot
	require.Eventually(w.t, func() bool {
		one, ok, err := s.Try(w.t.Context(), key)
		got = one
		return ok && err == nil
	}, time.Minute, 5*time.Millisecond)
	return got
}
