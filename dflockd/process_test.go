package dflockd

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// buildDir is where buildServer puts the program; TestMain removes it.
var buildDir string

// buildServer builds our server as a program, once for all tests.
var buildServer = sync.OnceValues(func() (string, error) {
	var err error
	if buildDir, err = os.MkdirTemp("", "dflockd"); err != nil {
		return "", err
	}
	path := filepath.Join(buildDir, "dflockd")
	out, err := exec.Command("go", "build", "-o", path, "./cmd/dflockd").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

// programs runs f against our server as a program, and against the original
// one if it is here.
func programs(t *testing.T, f func(t *testing.T, path string)) {
	t.Run("ours", func(t *testing.T) {
		path, err := buildServer()
		require.NoError(t, err)
		f(t, path)
	})
	t.Run("original", func(t *testing.T) { f(t, lockserver.Original(t)) })
}

func TestServerThatIsKilledAndRestartedLosesNoClaimant(t *testing.T) {
	programs(t, func(t *testing.T, path string) {
		const limit, workers, kills = 3, 12, 3
		addr := lockserver.FreeAddress(t)
		cmd := lockserver.StartAt(t, path, addr)
		src, err := NewSource(slot.Fixed("k", limit), WithServers(addr), WithLease(10*time.Second))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var held census
		var claims atomic.Int64
		var hold atomic.Bool // each slot until its context ends
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for ctx.Err() == nil {
					s, err := acquire(ctx, src)
					if err != nil {
						if ctx.Err() == nil && !errors.Is(err, slot.ErrUnavailable) {
							t.Errorf("%v", err)
						}
						pause(ctx, 50*time.Millisecond)
						continue
					}
					held.enter(s)
					claims.Add(1)
					if hold.Load() {
						<-s.Context().Done()
					}
					pause(s.Context(), time.Millisecond)
					held.leave(s)
					_ = s.Release()
				}
			})
		}
		for range kills {
			seen := claims.Load()
			require.Eventually(t, func() bool { return claims.Load() > seen+100 }, time.Minute, time.Millisecond, "work goes on")
			hold.Store(true)
			require.Eventually(t, func() bool { return held.live() == limit }, time.Minute, time.Millisecond, "all slots are held")
			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait()
			// A server that is back sooner than the break is seen grants at once.
			require.Eventually(t, func() bool { return held.live() == 0 }, time.Minute, time.Millisecond, "contexts end")
			hold.Store(false)
			cmd = lockserver.StartAt(t, path, addr)
		}
		seen := claims.Load()
		require.Eventually(t, func() bool { return claims.Load() > seen+100 }, time.Minute, time.Millisecond, "work goes on")
		cancel()
		wg.Wait()
		_ = src.Close(context.Background()) // what it cannot give back in its second is another test's
		require.LessOrEqual(t, held.most, limit)
	})
}

// A census counts the slots that are held, whose contexts have not ended.
type census struct {
	mu   sync.Mutex // guards what follows
	held []slot.Slot
	most int
}

func (c *census) enter(s slot.Slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = append(c.held, s)
	c.most = max(c.most, c.count())
}

func (c *census) leave(s slot.Slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = slices.DeleteFunc(c.held, func(other slot.Slot) bool { return other == s })
}

func (c *census) live() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count()
}

// count is for the holder of mu.
func (c *census) count() (n int) {
	for _, s := range c.held {
		if s.Context().Err() == nil {
			n++
		}
	}
	return n
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func TestKilledServerEndsContextsWithTheEOF(t *testing.T) {
	programs(t, func(t *testing.T, path string) {
		addr, cmd := lockserver.Start(t, path)
		src, err := NewSource(slot.Fixed("k", 100), WithServers(addr), WithLease(time.Minute))
		require.NoError(t, err)
		var slots []slot.Slot
		for range 40 {
			slots = append(slots, claimNow(t, src, ""))
		}
		require.NoError(t, cmd.Process.Kill())
		for _, s := range slots {
			<-s.Context().Done() // the first heartbeat would come in 7 s
			require.ErrorIs(t, context.Cause(s.Context()), slot.ErrLost)
			require.NotErrorIs(t, context.Cause(s.Context()), errNoAnswer)
		}
		require.NoError(t, src.Close(context.Background()))
	})
}

// The same promises as with our server, over real sockets.
func TestSourceKeepsItsPromisesWithTheOriginalServer(t *testing.T) {
	addr, _ := lockserver.Start(t, lockserver.Original(t))
	const limit, lease = 2, 2 * time.Second
	slottest.Run(t, func(t *testing.T) slottest.Harness {
		proxy, err := faultnet.NewProxy(addr)
		require.NoError(t, err)
		t.Cleanup(proxy.Close)
		var direct net.Dialer
		th := &thief{}
		source := func(opts ...Option) *Source {
			src, err := NewSource(slot.Keyed(name(t)+":", limit), append(opts, WithLease(lease))...)
			require.NoError(t, err)
			return src
		}
		return slottest.Harness{
			Source: source(WithServers(proxy.Address()), WithDialer(th.dial(direct.DialContext))),
			Peer:   source(WithServers(addr)),
			FIFO:   true,
			// A slot of which every renewal is lost has been taken away, and its lease
			// ends; places in line stay in either case.
			TakeAway: func(string) { th.rob(t, limit) },
			Expire:   func(string) { th.rob(t, limit) },
			Silence: func() {
				proxy.Set(faultnet.Everybody, faultnet.Conditions{HoldUp: true, HoldDown: true})
			},
			Break:   func() { proxy.Reset(faultnet.Everybody) },
			Heal:    func() { proxy.Set(faultnet.Everybody, faultnet.Conditions{}) },
			BadKeys: []string{"a b", "a\nb", "\xff"},
			Prompt:  true,
			Within:  30 * time.Second,
		}
	})
}

func TestStatsAreRead(t *testing.T) {
	programs(t, func(t *testing.T, path string) {
		addr, _ := lockserver.Start(t, path)
		src, err := NewSource(slot.Fixed("crawl", 5), WithServers(addr))
		require.NoError(t, err)
		for range 3 {
			claimNow(t, src, "")
		}
		l, err := NewLock("report", WithServers(addr), WithLease(20*time.Second))
		require.NoError(t, err)
		mustAcquire(t, l.holder)
		var all []ServerStats
		require.Eventually(t, func() bool { // the server may not have seen yet that somebody else has gone
			all, err = Stats(t.Context(), WithServers(addr))
			return err != nil || all[0].Connections == 3
		}, time.Minute, 10*time.Millisecond)
		require.NoError(t, err)
		require.Len(t, all, 1)
		st := all[0]
		require.Equal(t, addr, st.Server)
		require.Equal(t, []SemaphoreStats{{Key: "crawl", Limit: 5, Holders: 3}}, st.Semaphores)
		require.Len(t, st.Locks, 1)
		require.Equal(t, "report", st.Locks[0].Key)
		require.Positive(t, st.Locks[0].LeaseExpiresIn)
		require.LessOrEqual(t, st.Locks[0].LeaseExpiresIn, 20.0)
		require.NoError(t, l.Release())
		_ = src.Close(context.Background())
		all, err = Stats(t.Context(), WithServers(addr, "127.0.0.1:1"))
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.ErrorContains(t, err, "127.0.0.1:1")
		require.Len(t, all, 1, "what answered is returned")
	})
}
