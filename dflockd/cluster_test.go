package dflockd

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/slot"
)

// cluster is a scripted cluster of three. Its members share what was granted;
// only the leader answers.
type cluster struct {
	t       *testing.T
	members map[string]*peer

	mu     sync.Mutex
	leader string            // "" while there is none
	names  string            // what the others say: "" is the leader's address
	places map[string]string // reference → what it gets back for its se
	order  []string          // the members that were asked for a claim
}

var memberNames = []string{"a:1", "b:2", "c:3"}

func newCluster(t *testing.T, leader string) *cluster {
	c := &cluster{t: t, leader: leader, members: map[string]*peer{}, places: map[string]string{}}
	for _, name := range memberNames {
		refs := map[int]string{}
		var p *peer
		p = newPeer(t, func(from int, r wire.Request) string {
			c.mu.Lock()
			defer c.mu.Unlock()
			switch r.Command {
			case wire.Hello:
				return "error"
			case wire.StableRef:
				refs[from] = string(r.Secret)
				return "ok"
			case wire.Ping:
				return "ok"
			}
			if r.Command == wire.SemEnqueue || r.Command == wire.SemLock {
				c.order = append(c.order, name)
			}
			if name != c.leader {
				to := c.leader
				if c.names != "" {
					to = c.names
				}
				if to == "" {
					return "error_not_leader"
				}
				return "error_not_leader " + to
			}
			if r.Command == wire.SemEnqueue {
				if kept, ok := c.places[refs[from]]; ok {
					return kept
				}
				line := p.grants(r)
				c.places[refs[from]] = line
				return line
			}
			if r.Command == wire.SemWait {
				return ""
			}
			return p.grants(r)
		})
		c.members[name] = p
	}
	return c
}

func (c *cluster) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *cluster) asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.order...)
}

func (c *cluster) source(opts ...Option) *Source {
	c.t.Helper()
	src, err := NewSource(slot.Fixed("k", 2), append([]Option{
		WithCluster(), WithServers(memberNames...), WithLease(5 * time.Second),
		WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			return c.members[address].dial(ctx, network, address)
		}),
	}, opts...)...)
	require.NoError(c.t, err)
	c.t.Cleanup(func() {
		_ = src.Close(context.Background())
		for _, p := range c.members {
			p.heal()
			p.reset()
		}
	})
	return src
}

// fail ends a member and makes another the leader.
func (c *cluster) fail(member, leader string) {
	c.set(func() { c.leader = leader })
	c.members[member].set(func() { c.members[member].down = errReset })
	c.members[member].reset()
}

func TestRedirectToTheLeaderIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "c:3")
		src := c.source()
		s := claimNow(t, src, "")
		require.Equal(t, []string{"a:1", "c:3"}, c.asked())
		time.Sleep(time.Minute)
		require.NoError(t, s.Context().Err())
		claimNow(t, src, "")
		require.Equal(t, []string{"a:1", "c:3", "c:3"}, c.asked(), "the leader is remembered")
	})
}

func TestRedirectToAnAddressThatIsNotListedIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "c:3")
		c.names = "evil.example:666"
		_, err := c.source().Enqueue(t.Context(), "")
		require.ErrorIs(t, err, errUnlisted)
		require.ErrorContains(t, err, "evil.example:666")
		require.Equal(t, []string{"a:1"}, c.asked())
	})
}

func TestRedirectsInCirclesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "nobody")
		c.names = "b:2" // so says b:2 too
		_, err := c.source().Enqueue(t.Context(), "")
		require.ErrorIs(t, err, errLoop)
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.Len(t, c.asked(), len(memberNames)+2)
	})
}

func TestClusterWithoutALeaderIsUnavailableForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "")
		src := c.source()
		for range 20 {
			_, err := src.Enqueue(t.Context(), "")
			require.ErrorIs(t, err, slot.ErrUnavailable)
			time.Sleep(200 * time.Millisecond)
		}
		require.Less(t, len(c.asked()), 20, "the tries are paced")
		c.set(func() { c.leader = "b:2" })
		start := time.Now()
		for {
			if _, err := src.Enqueue(t.Context(), ""); err == nil {
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
		require.Less(t, time.Since(start), 6*time.Second)
	})
}

func TestDrainingMemberIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a:1")
		src := c.source()
		drain := c.members["a:1"].answer
		c.members["a:1"].answer = func(from int, r wire.Request) string {
			if r.Command == wire.SemEnqueue {
				return "error_draining"
			}
			return drain(from, r)
		}
		_, err := src.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, ErrDraining)
		c.set(func() { c.leader = "b:2" })
		time.Sleep(200 * time.Millisecond)
		claimNow(t, src, "")
	})
}

func TestFailoverKeepsTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a:1")
		src := c.source(WithOrphanTime(10 * time.Second))
		s := claimNow(t, src, "")
		info := s.Info()
		c.fail("a:1", "b:2")
		time.Sleep(4 * time.Second)
		require.NoError(t, s.Context().Err())
		require.True(t, s.Info().ExpiresAt.After(info.ExpiresAt), "renewed with the new leader")
		require.Equal(t, c.members["a:1"].last(wire.StableRef).Secret, c.members["b:2"].last(wire.StableRef).Secret)
		require.Equal(t, c.members["b:2"].last(wire.SemRenew).Token, s.(*grant).token, "with the same token")
		require.NoError(t, s.Release())
	})
}

func TestFailoverThatForgotTheSlotLosesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a:1")
		src := c.source(WithOrphanTime(10 * time.Second))
		s := claimNow(t, src, "")
		c.set(func() { clear(c.places) })
		c.members["b:2"].tokens = 100
		c.fail("a:1", "b:2")
		awaitEnd(t, s.Context())
		lostBecause(t, s, errNotOurs)
		synctest.Wait()
		require.Equal(t, 1, c.members["b:2"].count(wire.SemRelease), "what was granted instead goes back")
	})
}

func TestFailoverWithoutOrphanTimeLosesTheSlotAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a:1")
		s := claimNow(t, c.source(), "")
		start := time.Now()
		c.fail("a:1", "b:2")
		awaitEnd(t, s.Context())
		require.Zero(t, time.Since(start))
		lostBecause(t, s, slot.ErrUnavailable)
	})
}

func TestAReleaseFollowsTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a:1")
		src := c.source(WithOrphanTime(10 * time.Second))
		s := claimNow(t, src, "k")
		lock, err := NewSemaphore("k", 2, WithCluster(), WithServers(memberNames...), WithDialer(src.cfg.dial), WithOrphanTime(10*time.Second))
		require.NoError(t, err)
		mustAcquire(t, lock.holder)
		time.Sleep(2 * flapTime)
		c.set(func() { c.leader = "b:2" })
		require.NoError(t, s.Release())
		require.NoError(t, lock.Release())
		time.Sleep(time.Second)
		require.Equal(t, 2, c.members["b:2"].count(wire.SemRelease))
	})
}

func TestFailoverKeepsThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a:1")
		src := c.source(WithOrphanTime(10 * time.Second))
		full := func(from int, r wire.Request) string { return "queued" }
		was := map[string]func(int, wire.Request) string{}
		for name, p := range c.members {
			was[name] = p.answer
			p.answer = func(from int, r wire.Request) string {
				if line := was[name](from, r); r.Command != wire.SemEnqueue || line[:5] == "error" {
					return line
				}
				return full(from, r)
			}
		}
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		_, ok := ticket.Slot()
		require.False(t, ok)
		time.AfterFunc(time.Second, func() { c.fail("a:1", "b:2") })
		time.AfterFunc(5*time.Second, func() {
			b := c.members["b:2"]
			b.say(b.last(wire.SemWait).from, fmt.Sprintf("ok %s 5", b.token()))
		})
		s, err := ticket.Wait(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Context().Err())
		require.Equal(t, c.members["a:1"].last(wire.StableRef).Secret, c.members["b:2"].last(wire.StableRef).Secret)
		require.Equal(t, 1, c.members["b:2"].count(wire.SemRenew), "and the grant is confirmed")
	})
}

func TestPlaceIsLostWithoutOrphanTimeOrAfterIt(t *testing.T) {
	for _, orphan := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, "a:1")
			a := c.members["a:1"]
			was := a.answer
			a.answer = func(from int, r wire.Request) string {
				if r.Command == wire.SemEnqueue {
					return "queued"
				}
				return was(from, r)
			}
			var opts []Option
			if orphan > 0 {
				opts = append(opts, WithOrphanTime(orphan))
			}
			ticket, err := c.source(opts...).Enqueue(t.Context(), "")
			require.NoError(t, err)
			start := time.Now()
			for _, p := range c.members {
				p.set(func() { p.down = errReset })
			}
			a.reset()
			_, err = ticket.Wait(t.Context())
			require.ErrorIs(t, err, slot.ErrUnavailable)
			require.Equal(t, max(0, orphan-lease.Margin), time.Since(start).Round(time.Millisecond))
		})
	}
}

func TestCancelDuringAFailoverLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a:1")
		a := c.members["a:1"]
		was := a.answer
		a.answer = func(from int, r wire.Request) string {
			if r.Command == wire.SemEnqueue {
				return "queued"
			}
			return was(from, r)
		}
		src := c.source(WithOrphanTime(time.Minute))
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		for _, p := range c.members {
			p.set(func() { p.down = errReset })
		}
		a.reset()
		synctest.Wait()
		require.Equal(t, 1, orphans(src))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = ticket.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(10 * time.Second)
		require.Zero(t, orphans(src))
	})
}

func TestEachClaimInAClusterHasAReferenceOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "a:1")
		src := c.source()
		seen := map[wire.Secret]bool{}
		for range 5 {
			claimNow(t, src, "")
			ref := c.members["a:1"].last(wire.StableRef).Secret
			require.NoError(t, wire.CheckReference(string(ref)))
			require.False(t, seen[ref])
			seen[ref] = true
		}
	})
}

func TestServerThatIsNoMemberOfAClusterIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, func(int, wire.Request) string { return "error" })
		src := newTestSource(t, p, slot.Fixed("k", 1), WithCluster())
		_, err := src.Enqueue(t.Context(), "")
		require.ErrorContains(t, err, "no member of a cluster")
	})
}

func TestOptionsThatContradictEachOtherAreRefused(t *testing.T) {
	for _, opts := range [][]Option{{WithOrphanTime(time.Second)}, {WithCluster(), WithStrict()}, {WithCluster(), WithOrphanTime(0)}} {
		_, err := NewSource(slot.Fixed("k", 1), opts...)
		require.Error(t, err)
	}
}

func TestLockInAClusterFollowsTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, "c:3")
		l, err := NewSemaphore("k", 2, WithCluster(), WithServers(memberNames...), WithLease(5*time.Second),
			WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
				return c.members[address].dial(ctx, network, address)
			}))
		require.NoError(t, err)
		mustAcquire(t, l.holder)
		require.NoError(t, l.Release())
	})
}
