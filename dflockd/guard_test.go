package dflockd

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/slot"
)

const strictHello = "ok 1 strict=1 read_timeout_ms=23000 max_lease_s=0 fence=1 tags=0 ping=1"

// strictly is generous on a server that keeps the slots of broken connections.
func strictly(t *testing.T) *peer {
	var p *peer
	p = newPeer(t, func(_ int, r wire.Request) string {
		if r.Command == wire.Hello {
			return strictHello
		}
		return p.grants(r)
	})
	return p
}

func TestGhostGrantIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *peer
		p = newPeer(t, func(_ int, r wire.Request) string {
			switch r.Command {
			case wire.SemLock:
				return "timeout"
			case wire.SemEnqueue:
				return "queued"
			case wire.SemWait:
				return ""
			case wire.SemRenew:
				return "error" // its lease ran out between grant and sw
			}
			return p.grants(r)
		})
		src := newTestSource(t, p, slot.Fixed("k", 1))
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		time.Sleep(time.Second)
		p.say(p.last(wire.SemWait).from, "ok "+p.token()+" 5")
		s, err := ticket.Wait(t.Context())
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.Nil(t, s)
		require.Equal(t, 1, p.count(wire.SemRenew))
	})
}

func TestGrantFromTheLineIsConfirmedUnlessItMustBeYoung(t *testing.T) {
	for _, tc := range []struct {
		waited   time.Duration
		confirms int
	}{{400 * time.Millisecond, 0}, {500 * time.Millisecond, 1}, {time.Hour, 1}} {
		synctest.Test(t, func(t *testing.T) {
			p := busy(t)
			src := newTestSource(t, p, slot.Fixed("k", 1))
			ticket, err := src.Enqueue(t.Context(), "")
			require.NoError(t, err)
			time.Sleep(tc.waited)
			p.say(p.last(wire.SemWait).from, "ok "+p.token()+" 5")
			s, err := ticket.Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, tc.confirms, p.count(wire.SemRenew), tc.waited)
			age := time.Since(s.Info().ExpiresAt.Add(-4700 * time.Millisecond))
			if tc.confirms == 0 {
				require.Equal(t, tc.waited, age, "the lease counts from before sw was sent")
			} else {
				require.Zero(t, age, "the lease counts from before sn was sent")
			}
		})
	}
}

func TestExpiredGrantIsNeverUsed(t *testing.T) {
	for _, tc := range []struct {
		delay time.Duration
		ok    bool
	}{{730 * time.Millisecond, true}, {750 * time.Millisecond, false}, {3 * time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			p := generous(t)
			src := newTestSource(t, p, slot.Fixed("k", 1), WithLease(time.Second))
			require.NoError(t, src.Ping(t.Context()))
			p.set(func() { p.frozen = true })
			time.AfterFunc(tc.delay, p.heal)
			ticket, err := src.Enqueue(t.Context(), "")
			if tc.ok {
				require.NoError(t, err)
				s, _ := ticket.Slot()
				require.NoError(t, s.Context().Err())
				return
			}
			require.ErrorIs(t, err, slot.ErrUnavailable)
			synctest.Wait()
			require.Equal(t, 1, p.count(wire.SemRelease), "what was granted goes back")
		})
	}
}

func TestSilenceEndsTheContextBeforeTheLease(t *testing.T) {
	for _, strict := range []bool{false, true} {
		for _, length := range []time.Duration{time.Second, 4 * time.Second, 6 * time.Second, time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				p := generous(t)
				if strict {
					p = strictly(t)
				}
				src := newTestSource(t, p, slot.Fixed("k", 1), WithLease(length))
				s := claimNow(t, src, "")
				time.Sleep(3*length + length/10)
				require.NoError(t, s.Context().Err())
				p.set(func() { p.silent, p.hang = true, true })
				silent := time.Now()
				awaitEnd(t, s.Context())
				lostBecause(t, s, slot.ErrLost)
				took := time.Since(silent)
				require.Less(t, took, length, "strict %v, lease %v", strict, length)
				if !strict {
					p := paceFor(0.5, 0)
					require.LessOrEqual(t, took, p.Beat(length)+p.Answer(lease.Lease{Length: length}), "a late answer is a loss where broken connections lose their slots")
				}
				start := time.Now()
				_ = src.Close(context.Background())
				require.LessOrEqual(t, time.Since(start), time.Second+100*time.Millisecond)
			})
		}
	}
}

func TestWorkGoesOnAfterASilentPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 1), WithLease(6*time.Second))
		s := claimNow(t, src, "")
		p.set(func() { p.silent, p.hang = true, true })
		awaitEnd(t, s.Context())
		for range 100 {
			_, err := src.Enqueue(t.Context(), "")
			require.ErrorIs(t, err, slot.ErrUnavailable)
			time.Sleep(200 * time.Millisecond)
		}
		p.heal()
		healed := time.Now()
		for {
			if _, err := src.Enqueue(t.Context(), ""); err == nil {
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
		require.LessOrEqual(t, time.Since(healed), 6*time.Second)
	})
}

func TestShortestLeaseIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 1), WithLease(time.Second))
		s := claimNow(t, src, "")
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			require.NoError(t, s.Context().Err())
		}
	})
}

// orderedConn notes whether a context had ended when the socket was closed for
// the first time.
type orderedConn struct {
	net.Conn
	ctx   func() context.Context
	ended *atomic.Int32
	once  sync.Once
}

func (c *orderedConn) Close() error {
	c.once.Do(func() {
		if ctx := c.ctx(); ctx != nil && ctx.Err() != nil {
			c.ended.Add(1)
		}
	})
	return c.Conn.Close()
}

func TestContextEndsBeforeTheSocketCloses(t *testing.T) {
	for name, fault := range map[string]func(p *peer){
		"reset":     func(p *peer) { p.reset() },
		"EOF":       func(p *peer) { p.halfClose() },
		"violation": func(p *peer) { p.say(0, "hello there") },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := generous(t)
			var ctx atomic.Value
			var ended atomic.Int32
			src := newTestSource(t, p, slot.Fixed("k", 1), WithDialer(func(c context.Context, network, address string) (net.Conn, error) {
				conn, err := p.dial(c, network, address)
				return &orderedConn{Conn: conn, ctx: func() context.Context { c, _ := ctx.Load().(context.Context); return c }, ended: &ended}, err
			}))
			s := claimNow(t, src, "")
			ctx.Store(s.Context())
			start := time.Now()
			fault(p)
			awaitEnd(t, s.Context())
			require.Zero(t, time.Since(start), name)
			lostBecause(t, s, slot.ErrUnavailable)
			synctest.Wait()
			require.EqualValues(t, 1, ended.Load(), name)
		})
	}
}

func TestRenewalThatIsRefusedEndsTheSlotAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *peer
		first := ""
		p = newPeer(t, func(_ int, r wire.Request) string {
			token := string(r.Token.AppendTo(nil))
			if r.Command == wire.SemRenew && token == first {
				return "error"
			}
			line := p.grants(r)
			if r.Command == wire.SemLock && first == "" {
				first = line[3:35]
			}
			return line
		})
		src := newTestSource(t, p, slot.Fixed("k", 2))
		a, b := claimNow(t, src, ""), claimNow(t, src, "")
		awaitEnd(t, a.Context())
		lostBecause(t, a, errNotOurs)
		time.Sleep(time.Minute)
		require.NoError(t, b.Context().Err())
		require.NotEqual(t, first, string(p.last(wire.SemRenew).Token.AppendTo(nil)))
	})
}

func TestWallClockEndsTheSlotOfASuspendedMachine(t *testing.T) {
	for _, tc := range []struct {
		jump time.Duration
		lost bool
	}{{time.Minute, true}, {-time.Hour, false}, {time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			p := generous(t)
			src := newTestSource(t, p, slot.Fixed("k", 1))
			var jump atomic.Int64
			src.cfg.wall = func(now time.Time) time.Time { return now.Round(0).Add(time.Duration(jump.Load())) }
			s := claimNow(t, src, "")
			jump.Store(int64(tc.jump))
			time.Sleep(lease.WallCheck)
			synctest.Wait()
			require.Equal(t, tc.lost, s.Context().Err() != nil, tc.jump)
		})
	}
}

func TestWallClockSetBackExtendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := strictly(t)
		src := newTestSource(t, p, slot.Fixed("k", 1))
		src.cfg.wall = func(now time.Time) time.Time { return now.Round(0).Add(-time.Hour) }
		s := claimNow(t, src, "")
		start := time.Now()
		p.set(func() { p.silent, p.hang = true, true })
		awaitEnd(t, s.Context())
		require.LessOrEqual(t, time.Since(start), 5*time.Second)
	})
}

func TestStrictSlotSurvivesItsConnection(t *testing.T) {
	for name, fault := range map[string]func(p *peer){
		"reset": func(p *peer) { p.reset() },
		"EOF":   func(p *peer) { p.halfClose() },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := strictly(t)
			src := newTestSource(t, p, slot.Fixed("k", 20))
			var slots []slot.Slot
			for range 20 {
				s := claimNow(t, src, "")
				require.True(t, s.Info().Strict)
				slots = append(slots, s)
			}
			for range 5 {
				fault(p)
				time.Sleep(2 * time.Second)
			}
			for _, s := range slots {
				require.NoError(t, s.Context().Err(), name)
				require.NoError(t, s.Release())
			}
			synctest.Wait()
			require.Equal(t, 20, p.count(wire.SemRelease))
			require.Equal(t, 20, p.count(wire.SemLock))
		})
	}
}

func TestStrictSlotThatTheServerForgotIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *peer
		p = newPeer(t, func(from int, r wire.Request) string {
			switch {
			case r.Command == wire.Hello:
				return strictHello
			case r.Command == wire.SemRenew && from > 0:
				return "error"
			}
			return p.grants(r)
		})
		src := newTestSource(t, p, slot.Fixed("k", 1))
		s := claimNow(t, src, "")
		p.reset()
		awaitEnd(t, s.Context())
		lostBecause(t, s, errNotOurs)
	})
}

func TestReleaseDuringAnOutageReachesAStrictServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := strictly(t)
		src := newTestSource(t, p, slot.Fixed("k", 2))
		a, b := claimNow(t, src, ""), claimNow(t, src, "")
		p.set(func() { p.silent = true })
		require.NoError(t, a.Release()) // written, and never arrives
		p.set(func() { p.silent, p.down = false, errReset })
		p.reset()
		synctest.Wait()
		require.NoError(t, b.Release()) // while there is no connection
		time.Sleep(time.Second)
		p.heal()
		time.Sleep(3 * time.Second)
		require.Equal(t, 2, p.count(wire.SemRelease))
	})
}

// The server may have granted a slot whose confirmation is not answered: the
// claim ends with its connection, and what it may hold goes back.
func TestAGrantWhoseConfirmationIsNotAnsweredGoesBackOverAnotherConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := busy(t)
		p := newPeer(t, func(from int, r wire.Request) string {
			switch r.Command {
			case wire.Hello:
				return strictHello
			case wire.SemRenew:
				return ""
			}
			return line.answer(from, r)
		})
		src := newTestSource(t, p, slot.Fixed("k", 1))
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		time.Sleep(time.Second) // so that the grant is old
		p.say(p.last(wire.SemWait).from, "ok "+line.token()+" 5")
		synctest.Wait()
		require.Equal(t, 1, p.count(wire.SemRenew))
		p.reset()
		_, err = ticket.Wait(t.Context())
		require.ErrorIs(t, err, slot.ErrUnavailable)
		time.Sleep(3 * time.Second)
		require.Equal(t, 1, p.count(wire.SemRelease))
		require.NotEqual(t, p.last(wire.SemWait).from, p.last(wire.SemRelease).from)
	})
}

func TestOrphansEndWithTheirGuards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := strictly(t)
		src := newTestSource(t, p, slot.Fixed("k", 1))
		s := claimNow(t, src, "")
		start := time.Now()
		p.set(func() { p.down = errReset })
		p.reset()
		awaitEnd(t, s.Context())
		require.Equal(t, 4700*time.Millisecond, time.Since(start))
		lostBecause(t, s, errExpired)
		time.Sleep(10 * time.Second)
		require.Zero(t, orphans(src))
		dials, _ := p.counts()
		time.Sleep(time.Minute)
		again, _ := p.counts()
		require.Equal(t, dials, again, "nothing is dialled for slots that are gone")
	})
}

// A slot that another connection has taken over ends with its guard, too, although
// the answer to the renewal that was sent there is not due yet.
func TestASlotThatIsRenewedOverAnotherConnectionEndsWithItsGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *peer
		p = newPeer(t, func(_ int, r wire.Request) string {
			switch r.Command {
			case wire.Hello:
				return strictHello
			case wire.SemRenew:
				return ""
			}
			return p.grants(r)
		})
		src := newTestSource(t, p, slot.Fixed("k", 1))
		s := claimNow(t, src, "")
		start := time.Now()
		time.Sleep(3 * time.Second)
		p.set(func() { p.delay = 300 * time.Millisecond }) // of a new connection's greeting
		p.reset()
		awaitEnd(t, s.Context())
		require.Equal(t, 2, p.count(wire.SemRenew), "one of them over the other connection")
		require.Equal(t, 4700*time.Millisecond, time.Since(start))
		lostBecause(t, s, errExpired)
	})
}

func TestConnectionWithALineThatNobodyAskedForIsNeverUsedAgain(t *testing.T) {
	for name, line := range map[string]string{
		"idle error": "error", "unasked grant": "ok 00000000000000000000000000000001 5", "tag": "#9 ok", "empty": "", "long": string(make([]byte, 70_000)),
	} {
		synctest.Test(t, func(t *testing.T) {
			p := generous(t)
			src := newTestSource(t, p, slot.Fixed("k", 1))
			require.NoError(t, src.Ping(t.Context()))
			p.say(0, line)
			synctest.Wait()
			require.Zero(t, conns(src), name)
			time.Sleep(time.Second)
			s := claimNow(t, src, "")
			require.NoError(t, s.Context().Err())
			require.Equal(t, 1, p.last(wire.SemLock).from)
		})
	}
}

func TestTwoLinesForOneRequestBreakTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *peer
		p = newPeer(t, func(_ int, r wire.Request) string {
			if r.Command == wire.SemLock {
				return p.grants(r) + "\n" + p.grants(r)
			}
			return p.grants(r)
		})
		src := newTestSource(t, p, slot.Fixed("k", 1))
		ticket, err := src.Enqueue(t.Context(), "")
		if err == nil {
			s, _ := ticket.Slot()
			require.Error(t, s.Context().Err())
		}
		synctest.Wait()
		require.Zero(t, conns(src))
	})
}

func TestAnswersOffTheGrammarBreakTheConnection(t *testing.T) {
	for _, line := range []string{
		"ok", "ok 12 5", "ok 00000000000000000000000000000001", "ok 00000000000000000000000000000001 0",
		"ok 00000000000000000000000000000001 7", "ok 00000000000000000000000000000001 18446744074",
		"acquired 00000000000000000000000000000001 5", "queued", "okay", "OK 00000000000000000000000000000001 5", "HTTP/1.1 400 Bad Request",
	} {
		synctest.Test(t, func(t *testing.T) {
			var p *peer
			p = newPeer(t, func(_ int, r wire.Request) string {
				if r.Command == wire.SemLock {
					return line
				}
				return p.grants(r)
			})
			src := newTestSource(t, p, slot.Fixed("k", 1))
			_, err := src.Enqueue(t.Context(), "")
			require.ErrorIs(t, err, ErrProtocol, line)
			require.ErrorIs(t, err, slot.ErrUnavailable)
			require.NotContains(t, err.Error(), "00000001")
			require.Zero(t, conns(src))
		})
	}
}

func TestAnswersArriveByteByByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		p.split = true
		src := newTestSource(t, p, slot.Fixed("k", 10))
		for range 10 {
			claimNow(t, src, "")
		}
	})
}
