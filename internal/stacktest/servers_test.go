package stacktest_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// This file runs pools over real sockets, with our server and with the original
// one: what a pool promises of slots does not depend on the server.

// patience is how long a test with real processes and sockets waits for what
// must happen. Nothing is said of how fast it does.
const patience = time.Minute

// A realServer is a server that listens on a loopback port.
type realServer struct {
	t       *testing.T
	ctx     context.Context // ends when the test has waited in vain
	address string
}

// onServers runs a test with our server, and with the original one if its
// program is named.
func onServers(t *testing.T, f func(t *testing.T, s realServer)) {
	t.Run("ours", func(t *testing.T) {
		srv, err := server.Start(context.Background(), server.WithAddress("127.0.0.1:0"))
		require.NoError(t, err)
		t.Cleanup(srv.Close)
		f(t, newRealServer(t, srv.Addr().String()))
	})
	t.Run("original", func(t *testing.T) {
		address, _ := lockserver.Start(t, lockserver.Original(t))
		f(t, newRealServer(t, address))
	})
}

func newRealServer(t *testing.T, address string) realServer {
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errInVain)
	t.Cleanup(cancel)
	return realServer{t, ctx, address}
}

// source returns a source of slots at the address, with so many of each key. It
// is closed at the end of the test, after the pools that were made later.
func (s realServer) source(address string, limit int) *dflockd.Source {
	src, err := dflockd.NewSource(slot.Keyed("", limit), dflockd.WithServers(address), dflockd.WithLease(10*time.Second))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = src.Close(context.Background()) })
	return src
}

func (s realServer) pool(src slot.Source, workers int, opts ...pool.Option) *pool.Pool {
	p, err := pool.New(workers, append(opts, pool.WithSlots(src))...)
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.Shutdown(ctx)
	})
	return p
}

// claimAll claims n slots of key "k", which have to be free by and by, and
// returns them.
func (s realServer) claimAll(src slot.Source, n int) (slots []slot.Slot) {
	s.t.Helper()
	for range n {
		slots = append(slots, s.claim(src, "k"))
	}
	return slots
}

func (s realServer) claim(src slot.Source, key string) slot.Slot {
	s.t.Helper()
	ticket, err := src.Enqueue(s.ctx, key)
	require.NoError(s.t, err)
	got, err := ticket.Wait(s.ctx)
	require.NoError(s.t, err)
	return got
}

// become waits for a condition.
func (s realServer) become(ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			s.t.Fatal(context.Cause(s.ctx))
		}
	}
}

func TestPoolsOfTwoMachinesKeepTheLimitOfAnyServer(t *testing.T) {
	onServers(t, func(t *testing.T, s realServer) {
		const limit, jobs = 3, 300
		var running, ran atomic.Int64
		var most atomic.Int64
		job := func(ctx context.Context) error {
			n := running.Add(1)
			defer running.Add(-1)
			for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
			}
			ran.Add(1)
			rest(ctx, time.Millisecond)
			return ctx.Err()
		}
		var machines sync.WaitGroup
		for range 2 {
			p := s.pool(s.source(s.address, limit), 8)
			machines.Go(func() {
				for range jobs {
					_ = p.Submit(job, pool.Key("k"))
				}
				if err := p.Shutdown(s.ctx); err != nil {
					t.Error(err)
				}
				if st := p.Stats(); st.Finished != jobs || st.Failed != 0 || st.Held != 0 || st.InLine != 0 {
					t.Errorf("%+v", st)
				}
			})
		}
		machines.Wait()
		require.EqualValues(t, 2*jobs, ran.Load())
		require.LessOrEqual(t, most.Load(), int64(limit))
		s.claimAll(s.source(s.address, limit), limit)
	})
}

func TestJobsShareAClaimOfAnyServer(t *testing.T) {
	onServers(t, func(t *testing.T, s realServer) {
		const jobs = 100
		p := s.pool(s.source(s.address, 1), 1, pool.WithReuse(time.Hour))
		first := make(chan struct{})
		p.Submit(func(context.Context) error { <-first; return nil }, pool.Key("k"))
		for range jobs - 1 {
			p.Submit(func(context.Context) error { return nil }, pool.Key("k"))
		}
		close(first)
		require.NoError(t, p.Shutdown(s.ctx))
		st := p.Stats()
		require.EqualValues(t, jobs, st.Finished)
		require.EqualValues(t, jobs-1, st.Reused, "all others ran under the first one's slot")
		s.claimAll(s.source(s.address, 1), 1)
	})
}

func TestALostSlotOfAnyServerEndsItsJobAndWorkGoesOn(t *testing.T) {
	onServers(t, func(t *testing.T, s realServer) {
		proxy, err := faultnet.NewProxy(s.address)
		require.NoError(t, err)
		t.Cleanup(proxy.Close)
		p := s.pool(s.source(proxy.Address(), 1), 2)
		began := make(chan struct{})
		lost := p.Submit(func(ctx context.Context) error {
			close(began)
			<-ctx.Done()
			return context.Cause(ctx)
		}, pool.Key("k"))
		<-began
		next := p.Submit(func(ctx context.Context) error { return ctx.Err() }, pool.Key("k"))
		s.become(func() bool { return p.Stats().InLine == 1 })
		proxy.Reset(faultnet.Everybody)
		require.ErrorIs(t, lost.Wait(s.ctx), slot.ErrLost)
		require.NoError(t, next.Wait(s.ctx), "it waits for a slot until there is one")
		require.NoError(t, p.Shutdown(s.ctx))
		st := p.Stats()
		require.EqualValues(t, 1, st.Lost)
		require.EqualValues(t, 1, st.LostSlots)
		require.Zero(t, st.Held+st.InLine)
		s.claimAll(s.source(s.address, 1), 1)
	})
}

func TestAForcedShutdownLeavesTheLineOfAnyServer(t *testing.T) {
	onServers(t, func(t *testing.T, s realServer) {
		other := s.source(s.address, 1)
		held := s.claimAll(other, 1)[0]
		src := s.source(s.address, 1)
		p := s.pool(src, 2)
		began := make(chan struct{})
		runs := p.Submit(func(ctx context.Context) error {
			close(began)
			<-ctx.Done()
			return context.Cause(ctx)
		}, pool.Key("free"))
		<-began
		var waiting []*pool.Task
		for range 5 {
			waiting = append(waiting, p.Submit(func(context.Context) error { return nil }, pool.Key("k")))
		}
		s.become(func() bool { return p.Stats().InLine > 0 })
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		require.Error(t, p.Shutdown(ctx))
		for _, task := range append(waiting, runs) {
			require.ErrorIs(t, task.Wait(s.ctx), pool.ErrShutdown)
		}
		_ = src.Close(s.ctx) // which has a second for its answers: a busy machine may need more
		require.NoError(t, held.Release())
		s.claimAll(other, 1)
		s.claim(other, "free")
	})
}

func TestARetryGivesTheSlotOfAnyServerToOthers(t *testing.T) {
	onServers(t, func(t *testing.T, s realServer) {
		other := s.source(s.address, 1)
		p := s.pool(s.source(s.address, 1), 1)
		attempts := make(chan pool.Info, 3)
		task := p.Submit(func(ctx context.Context) error {
			info, _ := pool.FromContext(ctx)
			attempts <- info
			if info.Attempt < 3 {
				return pool.RetryAfter(time.Millisecond, errSoon)
			}
			return nil
		}, pool.Key("k"))
		<-attempts
		for range 3 { // somebody else gets the slot, whether it backs off, waits or is done
			require.NoError(t, s.claimAll(other, 1)[0].Release())
		}
		require.NoError(t, task.Wait(s.ctx))
		for n := 2; n <= 3; n++ {
			info := <-attempts
			require.Equal(t, n, info.Attempt)
			require.Equal(t, "k", info.SlotKey)
			require.True(t, info.HasSlot)
		}
		require.NoError(t, p.Shutdown(s.ctx))
		st := p.Stats()
		require.EqualValues(t, 2, st.Retries)
		require.GreaterOrEqual(t, st.Claims, int64(3), "one for each attempt")

		again := s.pool(s.source(s.address, 1), 1)
		backs := again.Submit(func(context.Context) error { return pool.RetryAfter(time.Hour, errSoon) }, pool.Key("k"))
		s.become(func() bool { return again.Stats().Waiting == 1 })
		s.claimAll(other, 1)
		backs.Cancel()
		require.ErrorIs(t, backs.Wait(s.ctx), errSoon, "what the last attempt returned is told")
	})
}
