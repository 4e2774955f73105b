//go:build unix

package etcdtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
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
		m := member{Name: fmt.Sprint("p", i), Client: lockserver.FreeAddress(t), Peer: lockserver.FreeAddress(t)}
		m.Folder = filepath.Join(t.TempDir(), m.Name)
		cluster = append(cluster, m.Name+"=http://"+m.Peer)
		p.members = append(p.members, m)
	}
	p.running = make([]*exec.Cmd, len(p.members))
	for i := range p.members {
		p.members[i].Cluster = strings.Join(cluster, ",")
		require.NoError(t, p.start(i))
	}
	t.Cleanup(func() {
		for i := range p.running {
			p.kill(i)
		}
	})
	return p
}

// start starts a member, with the data that it has.
func (p *processes) start(i int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := json.Marshal(p.members[i])
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), memberEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // it ends with this process
		return err
	}
	p.running[i] = cmd
	return cmd.Start()
}

// kill kills a member, also one that is frozen.
func (p *processes) kill(i int) {
	_ = p.running[i].Process.Kill()
	_ = p.running[i].Wait()
}

// breakThings freezes and kills one member after the other, and returns how often.
func (p *processes) breakThings(t *testing.T, ctx context.Context, random *rand.Rand) (kicks int) {
	for ctx.Err() == nil {
		i := random.IntN(len(p.running))
		if random.IntN(2) == 0 {
			_ = p.running[i].Process.Signal(syscall.SIGSTOP)
			sleep(ctx, time.Duration(random.IntN(3000))*time.Millisecond)
			_ = p.running[i].Process.Signal(syscall.SIGCONT)
		} else {
			p.kill(i)
			sleep(ctx, time.Duration(random.IntN(1000))*time.Millisecond)
			if err := p.start(i); err != nil {
				t.Error(err)
				return kicks
			}
		}
		kicks++
		sleep(ctx, time.Duration(random.IntN(2000))*time.Millisecond)
	}
	return kicks
}

// BERTH_SWEEP is for how many seconds it goes on.
func TestLimitHoldsWhileMembersAreFrozenAndKilled(t *testing.T) {
	t.Parallel()
	seconds := faultnet.Count(t, "BERTH_SWEEP", 6)
	seed := faultnet.Seed(t)
	p := startProcesses(t)
	p.leader(t, p.client(t), -1)
	prefix := newPrefix()
	g := &guardian{limit: 2, held: map[string][]slot.Slot{}}
	ctx, stop := g.until(t.Context(), time.Duration(seconds)*time.Second, 1)
	defer stop()
	var tasks sync.WaitGroup
	var sources []*etcd.Source
	for i := range 3 {
		src := newSource(t, p.client(t), prefix, slot.Keyed("k:", g.limit), etcd.WithLease(4*time.Second), etcd.WithRequestTimeout(time.Second), etcd.WithLogger(discard))
		sources = append(sources, src)
		for w := range 3 {
			random := rand.New(rand.NewPCG(seed, uint64(10*i+w)))
			tasks.Go(func() { g.work(t, ctx, src, random) })
		}
	}
	kicks := 0
	tasks.Go(func() { kicks = p.breakThings(t, ctx, rand.New(rand.NewPCG(seed, 99))) })
	tasks.Wait()
	for _, src := range sources {
		waitFor(t, "work goes on", func() bool {
			s, ok, err := src.Try(t.Context(), "x")
			return err == nil && ok && s.Release() == nil
		})
	}
	t.Logf("seed %d: %d slots lost", seed, g.lost)
	counts.Report(t, counts.Of{"seconds": seconds, "grants": g.grants, "kills-and-stops": kicks})
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
	t.Parallel()
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

	p.kill(next)
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
