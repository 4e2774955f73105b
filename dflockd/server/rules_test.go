package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExpiredGrantIsNeverConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		a, b, c := dial(t, s), dial(t, s), dial(t, s)
		token, _ := a.grant("l|k|0")
		require.Equal(t, "queued", b.ask("e|k|2"))
		a.ask("r|k|" + token) // b is granted and does not know
		c.send("l|k|100")
		time.Sleep(2 * time.Second)
		c.granted(c.line())
		require.Equal(t, "error_lease_expired", b.ask("w|k|10"))
		require.Equal(t, "error_not_enqueued", b.ask("w|k|10"))
		require.Equal(t, "queued", b.ask("e|k|2"), "the place is free again")
	})
}

func TestNumbersThatWrapAreRefused(t *testing.T) {
	c := dial(t, start(t))
	for _, n := range []string{"-1", "9223372037", "18446744074", "9223372036854775808", "0x5", "+5", "1.5", "", "x"} {
		require.Equal(t, "error", c.ask("w|k|"+n), n)
		require.Equal(t, "error", c.ask("l|k|"+n), n)
		if n == "" {
			continue
		}
		require.Equal(t, "error", c.ask("l|k|0 "+n), n)
		require.Equal(t, "error", c.ask("e|k|"+n), n)
		require.Equal(t, "error", c.ask("sl|k|"+n+" 1"), n)
	}
	require.Equal(t, "error", c.ask("l|k|0 0"))
	for _, limit := range []string{"0", "-1", "9223372036854775808", "0x5", "+5"} {
		require.Equal(t, "error", c.ask("se|k|"+limit), limit)
	}
	_, lease := c.grant("l|k|9223372036 9223372036")
	require.Equal(t, "86400", lease, "a day is the longest by default")
	_, lease = dial(t, start(t, WithMaxLease(0))).grant("l|k|9223372036 9223372036")
	require.Equal(t, "9223372036", lease)
}

func TestKeysThatAreNoneAreRefused(t *testing.T) {
	c := dial(t, start(t))
	for _, key := range []string{"", "a b", "a\tb", "a\x00b", "a\rb", "\xff", "a\x7f"} {
		require.Equal(t, "error", c.ask("l|"+key+"|0"), "%q", key)
	}
	c.grant("l|" + strings.Repeat("k", 256) + "|0")
	c.grant("l|ключ|0\r")
	require.Equal(t, "error", c.ask("l|"+strings.Repeat("k", 257)+"|0"))
	c.eof()
}

func TestLineThatNeverEndsIsCutOff(t *testing.T) {
	c := dial(t, start(t))
	_, err := c.Write(bytes.Repeat([]byte("l"), 257))
	require.NoError(t, err)
	require.Equal(t, "error", c.line())
	c.eof()
}

func TestLongestLeaseCapsAndTheReplySaysSo(t *testing.T) {
	c := dial(t, start(t, WithMaxLease(40*time.Second)))
	token, lease := c.grant("l|k|0 41")
	require.Equal(t, "40", lease)
	require.Equal(t, "ok 40", c.ask("n|k|"+token+" 1000"))
	require.Equal(t, "ok 33", c.ask("n|k|"+token))
	_, lease = c.grant("se|s|2 9223372036")
	require.Equal(t, "40", lease)
}

func TestIdleKeyIsFreeAtOnce(t *testing.T) {
	c := dial(t, start(t, WithMaxLocks(1)))
	token, _ := c.grant("sl|k|0 2")
	require.Equal(t, "error_max_locks", c.ask("l|other|0"))
	require.Equal(t, "error_limit_mismatch", c.ask("sl|k|0 3"))
	c.ask("sr|k|" + token)
	token, _ = c.grant("sl|k|0 3")
	c.ask("sr|k|" + token)
	c.grant("l|other|0")
}

func TestWaitersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithMaxWaiters(2))
		c := dial(t, s)
		c.grant("l|k|0")
		for range 2 {
			dial(t, s).send("l|k|100")
		}
		synctest.Wait()
		require.Equal(t, "error_max_waiters", c.ask("l|k|1"))
		require.Equal(t, "error_max_waiters", c.ask("e|k|1"))
	})
}

func TestStartupGraceGrantsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := start(t, WithStartupGrace(10*time.Second))
		a, b := dial(t, s), dial(t, s)
		require.Equal(t, "timeout", a.ask("l|k|0"))
		require.Equal(t, "queued", a.ask("e|k|"))
		b.send("l|k|100")
		synctest.Wait()
		a.granted(a.ask("w|k|100"))
		require.Equal(t, 10*time.Second, time.Since(begin))
		_ = a.Close()
		b.granted(b.line())
		require.Equal(t, 10*time.Second, time.Since(begin))
	})
}

func TestTokensCarryAFenceThatGrows(t *testing.T) {
	c := dial(t, start(t))
	last := ""
	for range 100 {
		token, _ := c.grant("l|k|0")
		require.Greater(t, token[:16], last)
		last = token[:16]
		c.ask("r|k|" + token)
	}
}

func TestHelloSaysWhatTheServerCanDo(t *testing.T) {
	require.Regexp(t, "^ok 1 strict=0 read_timeout_ms=23000 max_lease_s=86400 fence=1 tags=1 ping=1 limits=1 inspect=1 control=1 pace=1 id=[0-9a-f]{16}$", dial(t, start(t)).ask("hello|_|1"))
	s := start(t, WithAutoRelease(false), WithReadTimeout(time.Second), WithMaxLease(time.Minute))
	one := dial(t, s).ask("#5 hello|_|1")
	require.Regexp(t, "^#5 ok 1 strict=1 read_timeout_ms=1000 max_lease_s=60 fence=1 tags=1 ping=1 limits=1 inspect=1 control=1 pace=1 id=[0-9a-f]{16}$", one)
	require.Equal(t, one, dial(t, s).ask("#5 hello|_|1 servers=2/3 later=x"), "one ID for each server, and words that it does not know are nothing to it")
	another := dial(t, start(t)).ask("hello|_|1")
	require.NotEqual(t, one[len(one)-16:], another[len(another)-16:])
	for _, bad := range []string{"2", "", "1 servers=", "1 servers=3/3", "1 servers=0/0", "1 servers=-1/2", "1 servers=0/1048577", "1 servers=1"} {
		require.Equal(t, "error", dial(t, s).ask("hello|_|"+bad), bad)
	}
}

func TestStatsAreThoseOfTheOriginalAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithMaxLocks(0))
		c := dial(t, s)
		c.grant("l|lock|0 10")
		c.grant("sl|sem|0 3")
		w := dial(t, s)
		w.send("l|lock|100")
		synctest.Wait()
		time.Sleep(1500 * time.Millisecond)
		var got map[string]any
		require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(c.ask("stats|_|_"), "ok ")), &got))
		require.Equal(t, 2.0, got["connections"])
		require.Equal(t, []any{map[string]any{"key": "lock", "owner_conn_id": 1.0, "lease_expires_in_s": 8.5, "waiters": 1.0}}, got["locks"])
		require.Equal(t, []any{map[string]any{"key": "sem", "limit": 3.0, "holders": 1.0, "waiters": 0.0}}, got["semaphores"])
		require.Equal(t, []any{}, got["idle_locks"])
		require.Equal(t, []any{}, got["idle_semaphores"])
		for i := range 5000 {
			c.grant(fmt.Sprintf("l|k%d|0", i))
		}
		st := s.Stats()
		require.Len(t, st.Locks, maxStatsKeys-len(st.Semaphores))
		require.True(t, st.Truncated)
		require.Equal(t, 5002, st.Keys)
	})
}

func TestDrainAnswersWaitersOnceAndServesHolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		holder, expiring, waiter, enqueued, idle := dial(t, s), dial(t, s), dial(t, s), dial(t, s), dial(t, s)
		token, _ := holder.grant("l|k|0 10")
		expiring.grant("l|other|0 5")
		waiter.send("l|k|100")
		require.Equal(t, "queued", enqueued.ask("e|k|"))
		synctest.Wait()
		begin := time.Now()
		done := make(chan error)
		go func() { done <- s.Shutdown(context.Background()) }()
		require.Equal(t, "error_draining", waiter.line())
		waiter.eof()
		idle.eof()
		enqueued.eof()
		require.Equal(t, "error_draining", holder.ask("l|new|0"))
		require.Equal(t, "ok 10", holder.ask("n|k|"+token+" 10"))
		expiring.eof()
		require.Equal(t, 5*time.Second, time.Since(begin), "leases still run out")
		_, err := s.Dial(context.Background())
		require.ErrorIs(t, err, ErrClosed)
		require.Equal(t, "ok", holder.ask("r|k|"+token))
		holder.eof()
		_ = holder.Close()
		require.NoError(t, <-done)
		require.NoError(t, s.Shutdown(context.Background()), "twice is once")
	})
}

func TestShutdownCutsOffWhatIsLeftWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		c := dial(t, s)
		c.grant("l|k|0 1000")
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Second, cause)
		defer cancel()
		begin := time.Now()
		err := s.Shutdown(ctx)
		require.ErrorIs(t, err, cause)
		require.ErrorContains(t, err, "1 connections")
		require.Equal(t, 2*time.Second, time.Since(begin))
		c.eof()
	})
}

func TestEndOfTheContextOfStartDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		s, err := Start(ctx, WithInMemory(), WithShutdownTimeout(3*time.Second))
		require.NoError(t, err)
		c := dial(t, s)
		c.grant("l|k|0 1000")
		begin := time.Now()
		cancel()
		c.eof()
		require.Equal(t, 3*time.Second, time.Since(begin))
		s.Close()
	})
}

func TestSlowReaderStallsNobodyAndIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithMaxLocks(0))
		c, slow := dial(t, s), dial(t, s)
		for i := range 2000 {
			c.grant(fmt.Sprintf("l|k%d|0 1000", i))
		}
		go func() {
			for range 100 {
				if _, err := slow.Write([]byte("stats\n_\n_\n")); err != nil {
					return
				}
			}
		}()
		synctest.Wait() // its answers fill the connection
		begin := time.Now()
		require.Equal(t, "ok", c.ask("ping|_|_"))
		require.Zero(t, time.Since(begin))
		time.Sleep(6 * time.Second)
		require.Equal(t, 1, s.Stats().Connections)
	})
}

func TestConnectionsAreCountedAtAccept(t *testing.T) {
	s, err := Start(context.Background(), WithAddress("127.0.0.1:0"), WithMaxConnections(5), WithMaxConnectionsPerIP(3))
	require.NoError(t, err)
	defer s.Close()
	var open []*client
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for range 8 {
		nc, err := net.Dial("tcp", s.Addr().String())
		require.NoError(t, err)
		open = append(open, newClient(t, nc))
	}
	for _, c := range open[:3] {
		require.Equal(t, "ok", c.ask("ping|_|_"))
	}
	for _, c := range open[3:] {
		_, err := c.r.ReadByte()
		require.Error(t, err, "the fourth from one address is closed")
	}
	for range 2 {
		require.Equal(t, "ok", dial(t, s).ask("ping|_|_"))
	}
	dial(t, s).eof()
	require.Equal(t, uint64(6), s.Stats().Refused)
	_ = open[0].Close()
	require.Eventually(t, func() bool { return s.Stats().Connections == 4 }, time.Minute, time.Millisecond)
	nc, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	open = append(open, newClient(t, nc))
	require.Equal(t, "ok", open[8].ask("ping|_|_"))
}

// brokenListener fails to accept, as one does that is out of descriptors,
// until it is mended.
type brokenListener struct {
	failures atomic.Int64
	conns    chan net.Conn
	closed   chan struct{}
	once     sync.Once
	broken   atomic.Bool
}

func (l *brokenListener) Accept() (net.Conn, error) {
	if l.broken.Load() {
		l.failures.Add(1)
		return nil, errors.New("too many open files")
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *brokenListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *brokenListener) Addr() net.Addr { return memAddr(0) }

func TestAcceptingBacksOffWhileItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ln := &brokenListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		ln.broken.Store(true)
		s, err := Start(context.Background(), WithListener(ln), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		require.NoError(t, err)
		time.Sleep(60 * time.Second)
		require.InDelta(t, 67, ln.failures.Load(), 3, "5 ms, 10 ms, … 1 s")
		ln.broken.Store(false)
		time.Sleep(time.Second)
		mine, theirs := memPipe()
		ln.conns <- theirs
		require.Equal(t, "ok", newClient(t, mine).ask("ping|_|_"))
		_ = mine.Close()
		s.Close()
		require.LessOrEqual(t, strings.Count(log.String(), "cannot accept"), 61, "a line a second at most")
		require.Contains(t, log.String(), "not_logged=")
	})
}
