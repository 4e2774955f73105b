package server

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func parked(s *Server) (n int) {
	for _, c := range s.snapshot() {
		c.mu.Lock()
		if c.parked {
			n++
		}
		c.mu.Unlock()
	}
	return n
}

// crowd lets n connections wait for key, and returns them when all are parked.
func crowd(t testing.TB, s *Server, key string, n int) []*client {
	before := parked(s)
	all := make([]*client, n)
	for i := range all {
		all[i] = dialTCP(t, s)
		all[i].send("l|" + key + "|1000")
	}
	soon(t, func() bool { return parked(s) == before+n }, "not all are parked")
	return all
}

func TestConnectionThatWaitsHasNoGoroutineAndNoBuffers(t *testing.T) {
	s := startTCP(t)
	holder := dialTCP(t, s)
	holder.grant("l|k|0 1000")
	crowd(t, s, "k", 100)
	soon(t, func() bool { return readers() == 1 }, "more than the holder have a goroutine")
	for _, c := range s.snapshot() {
		c.mu.Lock()
		require.True(t, !c.parked || c.buf == nil && c.sock.block == nil)
		c.mu.Unlock()
	}
}

// readers returns how many goroutines read connections.
func readers() int { return strings.Count(stacks(), "server.(*conn).read(") }

func TestParkedConnectionIsServedAsAnyOther(t *testing.T) {
	s := startTCP(t)
	holder := dialTCP(t, s)
	token, _ := holder.grant("l|k|0 1000")
	w := crowd(t, s, "k", 1)[0]
	w.send("ping|_|_") // it stirs, but must wait
	w.send("l|other|1000")
	soon(t, func() bool { return parked(s) == 1 && s.Stats().Keys == 1 }, "it is parked again")
	require.Equal(t, "ok", holder.ask("r|k|"+token))
	mine, _ := w.granted(w.line())
	require.Equal(t, "ok", w.line())
	w.granted(w.line())
	require.Equal(t, "ok", w.ask("r|k|"+mine))

	// One that is answered and waits at once for the next was parked throughout.
	token, _ = holder.grant("l|k|0 1000")
	other, _ := holder.grant("l|another|0 1000")
	w.send("l|k|1000")
	w.send("l|another|1000")
	soon(t, func() bool { return parked(s) == 1 }, "it waits")
	require.Equal(t, "ok", holder.ask("r|k|"+token))
	w.granted(w.line())
	soon(t, func() bool { return parked(s) == 1 }, "it waits for the second")
	require.Equal(t, "ok", holder.ask("r|another|"+other))
	w.granted(w.line())
	require.Equal(t, "ok", w.ask("ping|_|_"))
	require.Zero(t, parked(s))
}

func TestParkedConnectionThatSendsTooMuchAheadLosesNothing(t *testing.T) {
	s := startTCP(t)
	holder := dialTCP(t, s)
	token, _ := holder.grant("l|k|0 1000")
	w := crowd(t, s, "k", 1)[0]
	const pings = 3 * (64 << 10) / len("ping\n_\n_\n")
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(w, strings.Repeat("ping\n_\n_\n", pings))
		sent <- err
	}()
	soon(t, func() bool { return backlog(s) >= s.cfg.maxAhead }, "it sends ahead")
	require.Equal(t, "ok", holder.ask("r|k|"+token))
	w.granted(w.line())
	for range pings {
		require.Equal(t, "ok", w.line())
	}
	require.NoError(t, <-sent)
}

// backlog returns the most that a connection has sent ahead.
func backlog(s *Server) (most int) {
	for _, c := range s.snapshot() {
		c.mu.Lock()
		if c.buf != nil {
			most = max(most, len(c.buf.in))
		}
		c.mu.Unlock()
	}
	return most
}

func TestParkedClientsThatGoLeaveTheLineAndTheirConnections(t *testing.T) {
	s := startTCP(t)
	holder := dialTCP(t, s)
	token, _ := holder.grant("l|k|0 1000")
	dead := crowd(t, s, "k", 300)
	live := crowd(t, s, "k", 1)[0]
	for i, c := range dead {
		switch i % 3 {
		case 0:
			_ = c.Close()
		case 1: // a reset
			require.NoError(t, c.Conn.(*net.TCPConn).SetLinger(0))
			_ = c.Close()
		case 2: // a client that writes no more is gone, too
			require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
		}
	}
	soon(t, func() bool { return s.Stats().Locks[0].Waiters == 1 && s.Stats().Connections == 2 }, "some are left")
	require.Equal(t, "ok", holder.ask("r|k|"+token))
	live.granted(live.line())
}

func TestDrainAnswersParkedConnectionsOnceAndClosesThem(t *testing.T) {
	s := startTCP(t)
	holder := dialTCP(t, s)
	token, _ := holder.grant("l|k|0 1000")
	waiters := crowd(t, s, "k", 20)
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	for _, w := range waiters {
		require.Equal(t, "error_draining", w.line())
		w.eof()
		_ = w.Close()
	}
	require.Equal(t, "ok", holder.ask("r|k|"+token))
	holder.eof()
	_ = holder.Close()
	require.NoError(t, <-done)
}

func TestCloseCutsOffParkedConnections(t *testing.T) {
	s := startTCP(t)
	holder := dialTCP(t, s)
	holder.grant("l|k|0 1000")
	waiters := crowd(t, s, "k", 20)
	s.Close()
	for _, w := range waiters {
		_, _ = io.ReadAll(w.r) // error_draining if there was time for it; then it ends
	}
	require.Zero(t, s.Stats().Connections)
}

// A connection that is cut off while it is about to be parked must not stay
// parked: nobody would end it, and Close would not return.
func TestCloseEndsConnectionsAtEveryStageOfParking(t *testing.T) {
	for round := range 200 {
		s := startTCP(t)
		holder := dialTCP(t, s)
		holder.grant("l|k|0 1000")
		var waiters []*client
		for range 20 {
			waiters = append(waiters, dialTCP(t, s))
		}
		var sender sync.WaitGroup
		sender.Go(func() {
			for _, w := range waiters {
				_, _ = io.WriteString(w, "l\nk\n1000\n") // may meet a closed connection
			}
		})
		for range 1 + round%len(waiters) { // at another moment each time
			runtime.Gosched()
			_ = parked(s)
		}
		s.Close()
		sender.Wait()
		require.Zero(t, s.Stats().Connections)
	}
}
