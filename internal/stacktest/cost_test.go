package stacktest_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

// A requests counts what clients ask a server for, by command, and their connections.
type requests struct {
	srv *server.Server

	mu    sync.Mutex // guards what follows
	asked map[string]int
	conns int
}

func (r *requests) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	c, err := r.srv.Dial(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns++
	return &countedConn{Conn: c, to: r}, nil
}

// take returns what was asked for since it was called last.
func (r *requests) take() map[string]int {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := maps.Clone(r.asked)
	r.asked = map[string]int{}
	return asked
}

// A countedConn reads the commands out of what is written: the first of each three lines.
type countedConn struct {
	net.Conn
	to   *requests
	line []byte // that is being written
	n    int    // lines before it
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.to.mu.Lock()
	for _, b := range p {
		if b != '\n' {
			c.line = append(c.line, b)
			continue
		}
		if c.n%3 == 0 {
			c.to.asked[command(string(c.line))]++
		}
		c.line, c.n = c.line[:0], c.n+1
	}
	c.to.mu.Unlock()
	return c.Conn.Write(p)
}

// command returns what is asked for in a line that may begin with a tag.
func command(line string) string {
	if tag, rest, ok := strings.Cut(line, " "); ok && strings.HasPrefix(tag, "#") {
		return rest
	}
	return line
}

// The figures of docs/engines.md: what claims, held slots and waiters cost a server of
// dflockd is counted at three sizes, and does not depend on them.
func TestWhatClaimsSlotsAndWaitersAskOfDflockdIsCounted(t *testing.T) {
	for _, n := range []int{10, 100, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { countDflockd(t, n) })
		})
	}
}

func countDflockd(t *testing.T, n int) {
	srv, err := server.Start(t.Context(), server.WithInMemory())
	require.NoError(t, err)
	defer srv.Close()
	r := &requests{srv: srv, asked: map[string]int{}}
	src, err := dflockd.NewSource(slot.Keyed("", 1), dflockd.WithServers("127.0.0.1:6388"), dflockd.WithDialer(r.dial))
	require.NoError(t, err)
	defer func() { require.NoError(t, src.Close(context.Background())) }()
	claimOf := func(key string) slot.Slot {
		ticket, err := src.Enqueue(t.Context(), key)
		require.NoError(t, err)
		got, ok := ticket.Slot()
		require.True(t, ok)
		return got
	}
	require.NoError(t, claimOf("first").Release()) // asks what the server can do
	r.take()

	for i := range n {
		require.NoError(t, claimOf(fmt.Sprint(i)).Release())
	}
	require.Equal(t, map[string]int{"se": n, "sr": n}, r.take(), "two requests a claim")

	for i := range n {
		claimOf(fmt.Sprint(i))
	}
	r.take()
	renewals := func() int {
		time.Sleep(70 * time.Second)
		asked := r.take()
		require.Len(t, asked, 1, "%v", asked)
		return asked["sn"]
	}
	renewed := renewals()
	require.GreaterOrEqual(t, renewed, 10*n, "one request for each slot in 7 s")
	require.LessOrEqual(t, renewed, 12*n)
	require.LessOrEqual(t, r.conns, 1+n/16, "sixteen slots share a connection")

	before := r.conns
	for range n {
		_, err := src.Enqueue(t.Context(), "0")
		require.NoError(t, err)
	}
	asked := r.take()
	require.Equal(t, []int{n, n}, []int{asked["se"], asked["sw"]}, "two requests a place in line")
	require.LessOrEqual(t, r.conns-before, 1+n/16, "sixteen places share a connection, too")
	require.LessOrEqual(t, renewals(), 12*n, "and ask for nothing")
}
