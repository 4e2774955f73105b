package dflockd

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// A freezer makes the goroutines and timers of a source stand still, as SIGSTOP
// does: what arrives stays in the socket, and timers fire late.
type freezer struct {
	mu     sync.Mutex
	thawed chan struct{} // closed unless frozen
}

func newFreezer() *freezer {
	f := &freezer{thawed: make(chan struct{})}
	close(f.thawed)
	return f
}

func (f *freezer) wait() {
	f.mu.Lock()
	thawed := f.thawed
	f.mu.Unlock()
	<-thawed
}

func (f *freezer) dial(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		return &frozenConn{c, f}, err
	}
}

type frozenConn struct {
	net.Conn
	f *freezer
}

func (c *frozenConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.f.wait()
	return n, err
}

// pause stops the source for d. When it goes on, the timers are first.
func (f *freezer) pause(src *Source, d time.Duration) {
	synctest.Wait() // no timer is about to run
	e := src.endpoints[0]
	f.mu.Lock()
	f.thawed = make(chan struct{})
	f.mu.Unlock()
	var due []*conn
	e.lock()
	for c := range e.conns {
		if !c.armed.IsZero() && c.timer.Stop() {
			due = append(due, c)
		}
	}
	e.unlock()
	time.Sleep(d)
	for _, c := range due {
		c.tick()
	}
	close(f.thawed)
}

func TestAPauseShorterThanTheGuardLosesNothing(t *testing.T) {
	for name, server := range map[string]func(*testing.T) *peer{"immediate release": generous, "strict": strictly} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := server(t)
				p.delay = 10 * time.Millisecond
				f := newFreezer()
				src := newTestSource(t, p, slot.Fixed("k", 8), WithDialer(f.dial(p.dial)), WithLease(33*time.Second))
				var slots []slot.Slot
				for range 8 {
					slots = append(slots, claimNow(t, src, ""))
				}
				for range 5 {
					for n := p.count(wire.SemRenew); p.count(wire.SemRenew) == n && slots[0].Context().Err() == nil; {
						time.Sleep(time.Millisecond)
					}
					f.pause(src, 6*time.Second) // with the answers under way
					time.Sleep(time.Second)
					f.pause(src, 10*time.Second) // with none
				}
				for _, s := range slots {
					require.NoError(t, context.Cause(s.Context()))
				}
				require.Equal(t, 1, p.dials)
			})
		})
	}
}

func TestAPauseAsLongAsTheGuardEndsTheSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newFreezer(), generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 1), WithDialer(f.dial(p.dial)), WithLease(5*time.Second))
		s := claimNow(t, src, "")
		ctx := s.Context()
		f.pause(src, 4700*time.Millisecond)
		require.Error(t, ctx.Err(), "at once, whatever lies in the socket")
		lostBecause(t, s, errExpired)
	})
}

func TestASilentServerIsNoticedSoonAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newFreezer(), generous(t)
		usual := p.answer
		p.answer = func(from int, r wire.Request) string {
			if r.Command == wire.SemRenew {
				return ""
			}
			return usual(from, r)
		}
		src := newTestSource(t, p, slot.Fixed("k", 1), WithDialer(f.dial(p.dial)), WithLease(33*time.Second))
		s := claimNow(t, src, "")
		for p.count(wire.SemRenew) == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second) // of the two that the answer may take
		f.pause(src, 6*time.Second)
		start := time.Now()
		<-s.Context().Done()
		require.LessOrEqual(t, time.Since(start), judgeDelay)
		lostBecause(t, s, errNoAnswer)
	})
}

// lateWriter says once that a write took longer than it was allowed to.
type lateWriter struct {
	net.Conn
	takes time.Duration
	late  atomic.Bool
}

func (c *lateWriter) Write(b []byte) (int, error) {
	if !c.late.CompareAndSwap(true, false) {
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:len(b)/2])
	time.Sleep(c.takes)
	return n, os.ErrDeadlineExceeded
}

func TestAWriteThatAPauseInterruptedGoesOn(t *testing.T) {
	for takes, ok := range map[time.Duration]bool{defaultSocketTimeout + time.Second: true, defaultSocketTimeout: false} {
		synctest.Test(t, func(t *testing.T) {
			p := newPeer(t, func(_ int, r wire.Request) string {
				if r.Command == wire.Ping {
					return ""
				}
				return "error"
			})
			var slow *lateWriter
			src := newTestSource(t, p, slot.Fixed("k", 1), WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
				nc, err := p.dial(ctx, network, address)
				slow = &lateWriter{Conn: nc, takes: takes}
				return slow, err
			}))
			require.NoError(t, src.Ping(t.Context()))
			slow.late.Store(true)
			e := src.endpoints[0]
			e.lock()
			var c *conn
			for c = range e.conns {
				c.out = append(c.out, "ping\n_\n_\n"...)
			}
			e.unlock()
			err := c.flush()
			if !ok {
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				return
			}
			require.NoError(t, err)
			synctest.Wait()
			require.Equal(t, 1, p.count(wire.Ping), "in one piece")
		})
	}
}
