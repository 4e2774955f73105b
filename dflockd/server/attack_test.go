package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/goroutines"
)

// The tests of this file attack a server and count what that costs it and
// others. How long it takes is in attack_bench_test.go.

// burst sends a request n times in one go, with a counter in place of %d if
// there is one.
func (c *client) burst(request string, n int) {
	c.t.Helper()
	var all strings.Builder
	for i := range n {
		text := request
		if strings.Contains(request, "%d") {
			text = fmt.Sprintf(request, i)
		}
		all.WriteString(strings.ReplaceAll(text, "|", "\n") + "\n")
	}
	_, err := io.WriteString(c, all.String())
	require.NoError(c.t, err)
}

// lines reads n answers and counts them by their first word.
func (c *client) lines(n int) map[string]int {
	c.t.Helper()
	count := map[string]int{}
	for range n {
		word, _, _ := strings.Cut(c.line(), " ")
		count[word]++
	}
	return count
}

func TestConnectionThatTakesTooMuchIsToldWhichBoundItMet(t *testing.T) {
	const bound = 20
	places, slots := WithMaxPlacesPerConnection(bound), WithMaxSlotsPerConnection(bound)
	for name, tc := range map[string]struct {
		option  Option
		request string
		want    string
		log     string
	}{
		"places":              {places, "e|busy%d|", "error_max_waiters", "max-places-per-connection reached"},
		"tagged places":       {places, "#%d e|busy1|", "error_max_waiters", "max-places-per-connection reached"},
		"slots of one key":    {slots, "sl|free|0 1000", "error_max_locks", "max-slots-per-connection reached"},
		"slots of many keys":  {slots, "l|free%d|0", "error_max_locks", "max-slots-per-connection reached"},
		"granted to tags":     {slots, "#%d se|free|1000", "error_max_locks", "max-slots-per-connection reached"},
		"places become slots": {slots, "e|busy%d|", "error_max_locks", "max-slots-per-connection reached"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				s := start(t, tc.option, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				for i := range bound + 10 {
					dial(t, s).grant(fmt.Sprintf("l|busy%d|0", i+1))
				}
				greedy := dial(t, s)
				for i := range bound + 10 {
					request := tc.request
					if strings.Contains(request, "%d") {
						request = fmt.Sprintf(request, i+1)
					}
					answer := greedy.ask(request)
					require.Equal(t, i >= bound, strings.HasSuffix(answer, tc.want), "%d: %s", i, answer)
				}
				require.Contains(t, log.String(), tc.log)
				dial(t, s).grant("l|another|0")
			})
		})
	}
}

// A close is done in parts. What the connection had is not granted meanwhile,
// to whom it belonged or out of turn.
func TestCloseOfAConnectionThatOwnsALotGrantsInOrderAndNothingToTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 5000 // 25 parts
		s := start(t, WithMaxLocks(0), WithMaxPlacesPerConnection(0), WithMaxSlotsPerConnection(0))
		owner, holder := dial(t, s), dial(t, s)
		token, _ := holder.grant("l|line|0 1000")
		owner.burst("sl|slots|0 5000 1000", many)
		owner.lines(many)
		owner.burst("l|key%d|0 1000", many)
		owner.lines(many)
		for i := range many {
			owner.send(fmt.Sprintf("#%d se|line|1 1000", i+1))
			owner.line()
		}
		var live []*client
		for i := range 10 {
			c := dial(t, s)
			live = append(live, c)
			c.send("l|line|1000 10")
			synctest.Wait()
			c = dial(t, s)
			live = append(live, c)
			c.send(fmt.Sprintf("l|key%d|1000 10", i*100))
		}
		synctest.Wait()
		require.Equal(t, uint64(2*many+1), s.Stats().Grants)
		beginClose(t, s, 2*many)
		require.Equal(t, "ok", holder.ask("r|line|"+token))
		for i := 1; i < len(live); i += 2 {
			live[i].granted(live[i].line())
		}
		for i := 0; i < len(live); i += 2 {
			token, _ := live[i].granted(live[i].line())
			synctest.Wait()
			if i+2 < len(live) {
				require.Zero(t, live[i+2].r.Buffered(), "the next is not granted yet")
			}
			require.Equal(t, "ok", live[i].ask("r|line|"+token))
		}
		st := s.Stats()
		require.Equal(t, uint64(2*many+1+20), st.Grants, "none to the dead")
		require.Equal(t, 10, st.Keys)
		require.Equal(t, 10, st.Held)
	})
}

// beginClose makes the connection that holds so many slots one that has closed,
// of whose claims none is cleared yet.
func beginClose(t testing.TB, s *Server, held int) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, c := range s.snapshot() {
		if c.lc.Held() == held {
			c.gone = true
			s.hub.table.CloseConn(s.hub.now(), &c.lc)
			return
		}
	}
	t.Fatal("there is none")
}

// The slots of a closed connection are still in the table for a moment; but
// nobody may renew one that is about to be somebody else's.
func TestTokenOfAClosedConnectionIsWorthNothingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithMaxLocks(0))
		owner, other := dial(t, s), dial(t, s)
		first, _ := owner.grant("l|first|0 1000")
		owner.burst("l|key%d|0 1000", 5000)
		owner.lines(5000)
		beginClose(t, s, 5001)
		require.Equal(t, 5001, s.hub.table.Totals().Held)
		require.Equal(t, "error", other.ask("n|first|"+first+" 1000"))
		require.Equal(t, "error", other.ask("r|first|"+first))
	})
}

// Requests whose answers nobody reads are neither read nor answered: the
// connection is paused.
func TestMillionRequestsWhoseAnswersNobodyReadsTakeNoMemory(t *testing.T) {
	s := startTCP(t, WithWriteTimeout(0))
	flood := dialTCP(t, s)
	var sender sync.WaitGroup
	sender.Go(func() {
		const million = 1_000_000
		for range million / 1000 {
			if _, err := io.WriteString(flood, strings.Repeat("hello\n_\n1\n", 1000)); err != nil {
				return
			}
		}
		t.Error("it was read to the end")
	})
	soon(t, func() bool { return strings.Contains(stacks(), "server.(*conn).writeAll(") }, "it is paused")
	other := dialTCP(t, s)
	for range 100 {
		require.Equal(t, "ok", other.ask("ping|_|_"))
		require.Less(t, heldBytes(s), 4*s.cfg.maxAhead)
	}
	_ = flood.Close()
	sender.Wait()
	soon(t, func() bool { return s.Stats().Connections == 1 }, "it is gone")
	require.Zero(t, heldBytes(s))
}

// A connection whose request waits is read only so far ahead, and then paused.
func TestRequestsSentAheadOfOneThatWaitsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithMaxBytesAhead(8<<10))
		holder := dial(t, s)
		token, _ := holder.grant("l|k|0 1000")
		c := dial(t, s)
		c.send("l|k|1000")
		const pings = 100_000
		var sender sync.WaitGroup
		sender.Go(func() { _, _ = io.WriteString(c, strings.Repeat("ping\n_\n_\n", pings)) })
		synctest.Wait()
		require.GreaterOrEqual(t, heldBytes(s), 8<<10)
		require.LessOrEqual(t, heldBytes(s), 4*(8<<10))
		require.Equal(t, "ok", holder.ask("r|k|"+token))
		c.granted(c.line())
		require.Equal(t, map[string]int{"ok": pings}, c.lines(pings))
		sender.Wait()
	})
	_, err := Start(context.Background(), WithInMemory(), WithMaxBytesAhead(100))
	require.ErrorContains(t, err, "at least 4096")
}

// heldBytes returns how many bytes the buffers of all connections have.
func heldBytes(s *Server) (n int) {
	for _, c := range s.snapshot() {
		c.mu.Lock()
		if c.buf != nil {
			n += cap(c.buf.in)
			if !c.busy { // else they are another goroutine's
				n += cap(c.buf.todo) + cap(c.buf.out) + cap(c.buf.spare)
			}
		}
		c.mu.Unlock()
	}
	return n
}

func TestHugeLinesCostNothingBeforeAndAfterTheSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithSecret("sesame"))
		huge := bytes.Repeat([]byte("x"), 200<<10)
		for _, shown := range []bool{false, true} {
			var all []*client
			for range 20 {
				c := dial(t, s)
				if shown {
					require.Equal(t, "ok", c.ask("auth|_|sesame"))
				}
				all = append(all, c)
			}
			for _, c := range all {
				go func() { _, _ = c.Write(huge) }()
			}
			answers := map[string]int{}
			for _, c := range all {
				text, err := io.ReadAll(c)
				require.NoError(t, err)
				answers[strings.TrimSpace(string(text))]++
				_ = c.Close()
			}
			if shown {
				require.Equal(t, map[string]int{"error": 20}, answers)
			} else {
				require.Equal(t, map[string]int{"error_auth": answersPerSecond, "": 20 - answersPerSecond}, answers)
			}
			synctest.Wait()
			require.Zero(t, heldBytes(s))
		}
		require.Equal(t, "ok", dial(t, s).ask("auth|_|sesame"))
	})
}

// Clients that write a byte now and then, or have closed the direction that
// they write, keep a connection no longer than the rest.
func TestSlowAndHalfClosedConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithReadTimeout(5*time.Second))
		honest := dial(t, s)
		honest.grant("l|k|0 1000")
		for range 100 {
			slow := dial(t, s)
			go func() {
				for {
					if _, err := slow.Write([]byte("x")); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			half := dial(t, s)
			half.send("l|k|1000")
			synctest.Wait()
			require.NoError(t, half.Conn.(*memConn).CloseWrite())
		}
		synctest.Wait()
		require.Zero(t, s.Stats().Locks[0].Waiters, "who writes no more is gone")
		require.Equal(t, 101, s.Stats().Connections)
		for range 3 {
			time.Sleep(2 * time.Second)
			require.Equal(t, "ok", honest.ask("ping|_|_"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 1, s.Stats().Connections)
	})
}

// A client that is stopped keeps its connection, and its turn lasts as long as
// its lease. Nothing is taken back sooner.
func TestStoppedClientsInFrontDelayALiveOneByTheirLeases(t *testing.T) {
	for limit, want := range map[int]time.Duration{1: 16 * time.Second, 2: 8 * time.Second, 3: 4 * time.Second, 5: 0} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t)
			holder := dial(t, s)
			var tokens []string
			for range limit {
				token, _ := holder.grant(fmt.Sprintf("sl|k|0 %d 1000", limit))
				tokens = append(tokens, token)
			}
			for range 4 { // stopped: they do nothing from now on
				dial(t, s).send(fmt.Sprintf("sl|k|1000 %d 4", limit))
				synctest.Wait()
			}
			live := dial(t, s)
			live.send(fmt.Sprintf("sl|k|1000 %d", limit))
			synctest.Wait()
			begin := time.Now()
			for _, token := range tokens {
				require.Equal(t, "ok", holder.ask("sr|k|"+token))
			}
			live.granted(live.line())
			require.Equal(t, want, time.Since(begin), "limit %d", limit)
		})
	}
}

// A crowd of waiters comes and goes; nothing of it is left but what the
// runtime keeps for the next one.
func TestCrowdThatGoesLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		holder := dial(t, s)
		holder.grant("l|k|0 1000")
		synctest.Wait()
		before := goroutines.InBubble(t)
		for range 3 {
			var crowd []net.Conn
			for range 6000 {
				nc, err := s.Dial(context.Background())
				require.NoError(t, err)
				_, _ = io.WriteString(nc, "l\nk\n1000\n")
				crowd = append(crowd, nc)
			}
			synctest.Wait()
			require.Equal(t, 6000, s.Stats().Locks[0].Waiters)
			for _, nc := range crowd {
				_ = nc.Close()
			}
			time.Sleep(trimDelay)
			synctest.Wait()
			st := s.Stats()
			require.Zero(t, st.Locks[0].Waiters)
			require.Equal(t, 1, s.most, "memory was given back")
			require.Equal(t, 1, st.Connections)
			require.Equal(t, before, goroutines.InBubble(t))
			require.Zero(t, heldBytes(s))
			s.hub.mu.Lock()
			require.False(t, s.hub.table.Pending())
			s.hub.mu.Unlock()
			require.Equal(t, "ok", holder.ask("ping|_|_"))
		}
	})
}
