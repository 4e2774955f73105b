package redis

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// masterName is what Sentinel calls the master that it watches.
const masterName = "slots"

// startSentinel starts a Sentinel that watches a master at a port by itself, and returns
// where it listens. It calls a master dead that has not answered for a second.
func startSentinel(t *testing.T, master string) string {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	settings := filepath.Join(dir, "sentinel.conf") // it writes what it learns into that
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds %[3]s 1000\nsentinel failover-timeout %[3]s 5000\n", port, dir, masterName, master)
	require.NoError(t, os.WriteFile(settings, []byte(text), 0o600))
	cmd := exec.Command("redis-server", settings, "--sentinel")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return "127.0.0.1:" + port
}

// sentinels are a master and its replica, which Sentinel knows of.
type sentinels struct {
	master, replica *program
	address         string // of Sentinel
}

func startSentinels(t *testing.T) *sentinels {
	t.Helper()
	masterPort, replicaPort := freePort(t), freePort(t)
	s := &sentinels{
		master: startServer(t, "--port", masterPort, "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0"),
		replica: startServer(t, "--port", replicaPort, "--bind", "127.0.0.1",
			"--replicaof", "127.0.0.1", masterPort),
	}
	s.awaitReplica(t)
	s.address = startSentinel(t, masterPort)
	sentinel := goredis.NewSentinelClient(&goredis.Options{Addr: s.address})
	defer sentinel.Close()
	require.Eventually(t, func() bool {
		known, err := sentinel.Replicas(t.Context(), masterName).Result()
		return err == nil && len(known) == 1 && known[0]["flags"] == "slave" && known[0]["master-link-status"] == "ok"
	}, time.Minute, 20*time.Millisecond, "Sentinel knows the replica")
	return s
}

func (s *sentinels) awaitReplica(t *testing.T) {
	t.Helper()
	c := s.replica.client()
	defer c.Close()
	require.Eventually(t, func() bool {
		text, err := c.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(text, "master_link_status:up")
	}, time.Minute, 10*time.Millisecond, "the replica follows its master")
}

// source returns a source whose client follows Sentinel.
func (s *sentinels) source(t *testing.T, opts ...Option) *Source {
	t.Helper()
	c := goredis.NewFailoverClient(&goredis.FailoverOptions{MasterName: masterName, SentinelAddrs: []string{s.address}})
	src, err := NewSource(c, slot.Keyed("", 1), opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, src.Close(context.Background()))
		_ = c.Close()
	})
	return src
}

// heard waits until the replica knows of as many claims of a key.
func (s *sentinels) heard(t *testing.T, key string, claims int) {
	t.Helper()
	c := s.replica.client()
	defer c.Close()
	require.Eventually(t, func() bool {
		n, err := c.ZCount(t.Context(), lineKeys(defaultPrefix, key)[0], "1e14", "+inf").Result()
		return err == nil && int(n) == claims
	}, time.Minute, 5*time.Millisecond, "the replica hears of the claims")
}

// The master dies, and Sentinel has its replica take over. Slots and places that the
// replica had heard of are kept, if leases are longer than the failover takes, and the
// sources go on by themselves. What it had not heard of is lost:
// TestAFailoverForgetsWhatTheReplicaHadNotHeard.
func TestAFailoverBySentinelKeepsWhatTheReplicaHadHeard(t *testing.T) {
	needServer(t)
	s := startSentinels(t)
	long := WithLease(2 * time.Minute) // longer than all of it takes on a busy machine
	a, b := s.source(t, long), s.source(t, long)
	w := &world{t: t}
	held, waits := w.claim(a, "k"), w.queue(b, "k")
	s.heard(t, "k", 2)

	s.master.kill()
	begin := time.Now()
	fresh := w.claimKey(b, "another")
	t.Logf("for %v nothing was granted", time.Since(begin).Round(time.Millisecond))
	require.NoError(t, fresh.Release())
	require.NoError(t, held.Context().Err(), "the slot outlived the failover")
	require.Eventually(t, func() bool {
		_, ok, err := b.Try(t.Context(), "k")
		require.False(t, ok, "it is held once")
		return err == nil
	}, time.Minute, 5*time.Millisecond)
	require.NoError(t, held.Release())
	got, _ := w.wait(waits)
	require.NoError(t, got.Release(), "and the place in line is kept")

	state, err := a.Inspect(t.Context(), "k")
	require.NoError(t, err)
	require.Zero(t, state.Waiting)
}
