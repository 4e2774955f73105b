//go:build unix

package etcdtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/slot"
)

// memberEnv has this program be a member of a cluster, until its standard input ends.
const memberEnv = "BERTH_ETCD_MEMBER"

// A member is what one of a cluster of processes is told.
type member struct {
	Name, Folder, Client, Peer, Cluster string
}

func (m member) run() int {
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir, cfg.InitialCluster = m.Name, m.Folder, m.Cluster
	client, peer := []url.URL{{Scheme: "http", Host: m.Client}}, []url.URL{{Scheme: "http", Host: m.Peer}}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = client, client
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = peer, peer
	cfg.TickMs, cfg.ElectionMs = 50, 500
	cfg.UnsafeNoFsync = true
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until whoever has started it is gone
	_ = e                                // the end of the process ends it
	return 0
}

// memberFromEnv runs a member if this process was started to be one.
func memberFromEnv() (code int, is bool) {
	text, is := os.LookupEnv(memberEnv)
	if !is {
		return 0, false
	}
	var m member
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return m.run(), true
}

// processes are a cluster of processes.
type processes struct {
	members []member
	running []*exec.Cmd
}

func startProcesses(t *testing.T) *processes {
	t.Helper()
	p := &processes{}
	var cluster []string
	for i := range 3 {
		m := member{Name: fmt.Sprint("p", i), Client: freeAddress(t), Peer: freeAddress(t)}
		m.Folder = filepath.Join(t.TempDir(), m.Name)
		cluster = append(cluster, m.Name+"=http://"+m.Peer)
		p.members = append(p.members, m)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	for _, m := range p.members {
		m.Cluster = strings.Join(cluster, ",")
		text, err := json.Marshal(m)
		require.NoError(t, err)
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), memberEnv+"="+string(text))
		cmd.Stderr = os.Stderr
		stdin, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Kill() // also one that is stopped
			_ = cmd.Wait()
			_ = stdin.Close()
		})
		p.running = append(p.running, cmd)
	}
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// client returns a client that notices a member that hangs.
func (p *processes) client(t *testing.T) *clientv3.Client {
	t.Helper()
	cfg := clientv3.Config{Logger: zap.NewNop(), DialKeepAliveTime: 2 * time.Second, DialKeepAliveTimeout: time.Second}
	for _, m := range p.members {
		cfg.Endpoints = append(cfg.Endpoints, "http://"+m.Client)
	}
	client, err := clientv3.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// leader waits for a leader other than the given one, and returns its number.
func (p *processes) leader(t *testing.T, client *clientv3.Client, other int) (leader int) {
	t.Helper()
	waitFor(t, "there is a leader", func() bool {
		for i, endpoint := range client.Endpoints() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			r, err := client.Status(ctx, endpoint)
			cancel()
			if err == nil && i != other && r.Leader == r.Header.MemberId {
				leader = i
				return true
			}
		}
		return false
	})
	return leader
}

func TestSlotsAndPlacesSurviveALeaderThatIsFrozenOrKilled(t *testing.T) {
	p := startProcesses(t)
	client := p.client(t)
	prefix := newPrefix()
	src := newSource(t, client, prefix, slot.Keyed("k:", 1), etcd.WithLease(10*time.Second), etcd.WithRequestTimeout(2*time.Second))
	leader := p.leader(t, client, -1)
	held := claim(t, src, "x")
	first, second := queued(t, src, "x"), queued(t, src, "x")

	require.NoError(t, p.running[leader].Process.Signal(syscall.SIGSTOP))
	next := p.leader(t, client, leader)
	outlive(t, held)
	require.NoError(t, held.Release())
	held = grantOf(t, first)
	require.NoError(t, p.running[leader].Process.Signal(syscall.SIGCONT))

	require.NoError(t, p.running[next].Process.Kill())
	p.leader(t, client, next)
	outlive(t, held)
	require.NoError(t, held.Release())
	require.NoError(t, grantOf(t, second).Release())
}

// outlive waits until the slot is good for longer than it was.
func outlive(t *testing.T, s slot.Slot) {
	t.Helper()
	until := s.Info().ExpiresAt
	waitFor(t, "the lease is renewed", func() bool {
		return s.Context().Err() != nil || s.Info().ExpiresAt.After(until)
	})
	require.NoError(t, s.Context().Err(), "the slot is lost")
}
