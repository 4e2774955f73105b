package faultnet_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that sends back what it gets, and ends a connection when
// the client does.
type echo struct {
	mu    sync.Mutex // guards conns
	conns []*faultnet.Conn
	wg    sync.WaitGroup
}

func (e *echo) dial(context.Context) (net.Conn, error) {
	near, far := faultnet.Pipe()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conns = append(e.conns, far)
	e.wg.Go(func() {
		_, _ = io.Copy(far, far)
		_ = far.Close()
	})
	return near, nil
}

// bubble runs a test with an echo server behind a network, in a bubble.
func bubble(t *testing.T, f func(t *testing.T, n *faultnet.Net)) {
	synctest.Test(t, func(t *testing.T) {
		var e echo
		n := faultnet.New(e.dial)
		defer e.wg.Wait()
		defer n.Close()
		f(t, n)
	})
}

func dial(t *testing.T, n *faultnet.Net, machine string) net.Conn {
	t.Helper()
	c, err := n.Dial(t.Context(), machine)
	require.NoError(t, err)
	return c
}

// trip sends a word, and returns how long it took until it came back.
func trip(t *testing.T, c net.Conn, word string) time.Duration {
	t.Helper()
	begin := time.Now()
	_, err := io.WriteString(c, word)
	require.NoError(t, err)
	back := make([]byte, len(word))
	_, err = io.ReadFull(c, back)
	require.NoError(t, err)
	require.Equal(t, word, string(back))
	return time.Since(begin)
}

func TestBytesArriveInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, n *faultnet.Net) {
		c := dial(t, n, "a")
		require.Zero(t, trip(t, c, "hello"))
		long := strings.Repeat("0123456789abcdef", 64<<10) // more than all buffers hold
		var sender sync.WaitGroup
		sender.Go(func() { _, _ = io.WriteString(c, long) })
		back := make([]byte, len(long))
		_, err := io.ReadFull(c, back)
		require.NoError(t, err)
		require.True(t, long == string(back))
		sender.Wait()
	})
}

func TestPartitionHoldsAndDeliversLate(t *testing.T) {
	for name, c := range map[string]faultnet.Conditions{
		"both": {HoldUp: true, HoldDown: true}, "up": {HoldUp: true}, "down": {HoldDown: true}, "frozen": {Frozen: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *faultnet.Net) {
				hurt, other := dial(t, n, "a"), dial(t, n, "b")
				n.Set("a", c)
				time.AfterFunc(7*time.Second, func() { n.Set("a", faultnet.Conditions{}) })
				require.Zero(t, trip(t, other, "x"))
				require.Equal(t, 7*time.Second, trip(t, hurt, "hello"))
			})
		})
	}
}

func TestDialsHangInAPartitionAndSucceedInAFreeze(t *testing.T) {
	bubble(t, func(t *testing.T, n *faultnet.Net) {
		n.Set(faultnet.Everybody, faultnet.Conditions{HoldDown: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.Dial(ctx, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		n.Set(faultnet.Everybody, faultnet.Conditions{Frozen: true})
		dial(t, n, "a")
		n.SetServer(nil)
		_, err = n.Dial(t.Context(), "b")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		var who []string
		for _, d := range n.Dials() {
			who = append(who, d.Machine)
		}
		require.Equal(t, []string{"a", "a", "b"}, who)
		require.Equal(t, 1, n.Connections("a"))
	})
}

func TestDelayIsThatOfEachWay(t *testing.T) {
	bubble(t, func(t *testing.T, n *faultnet.Net) {
		c := dial(t, n, "a")
		n.Set("a", faultnet.Conditions{Delay: time.Second})
		require.Equal(t, 2*time.Second, trip(t, c, "hello"))
	})
}

func TestSplitDeliversSingleBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := faultnet.Pipe()
		n := faultnet.New(func(context.Context) (net.Conn, error) { return near, nil })
		defer n.Close()
		c := dial(t, n, "a")
		n.Set("a", faultnet.Conditions{Split: true})
		_, err := io.WriteString(c, "abc")
		require.NoError(t, err)
		buf := make([]byte, 8)
		k, err := far.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "a", string(buf[:k]))
	})
}

func TestResetIsSeenByBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := faultnet.Pipe()
		n := faultnet.New(func(context.Context) (net.Conn, error) { return near, nil })
		defer n.Close()
		c := dial(t, n, "a")
		n.Reset("a")
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = c.Write([]byte("x"))
		require.ErrorIs(t, err, syscall.EPIPE)
		_, err = far.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		synctest.Wait()
		require.Zero(t, n.Connections(faultnet.Everybody))
	})
}

func TestHalfClosedEndStillWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := faultnet.Pipe()
		n := faultnet.New(func(context.Context) (net.Conn, error) { return near, nil })
		defer n.Close()
		c := dial(t, n, "a")
		n.HalfClose("a")
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		_, err = io.WriteString(c, "still here")
		require.NoError(t, err)
		buf := make([]byte, 10)
		_, err = io.ReadFull(far, buf)
		require.NoError(t, err)
		require.Equal(t, "still here", string(buf))
	})
}

func TestCloseIsHeldByAPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := faultnet.Pipe()
		n := faultnet.New(func(context.Context) (net.Conn, error) { return near, nil })
		defer n.Close()
		c := dial(t, n, "a")
		n.Set("a", faultnet.Conditions{HoldUp: true})
		_, err := io.WriteString(c, "last words")
		require.NoError(t, err)
		require.NoError(t, c.Close())
		time.AfterFunc(time.Minute, func() { n.Set("a", faultnet.Conditions{}) })
		begin := time.Now()
		got, err := io.ReadAll(far)
		require.NoError(t, err)
		require.Equal(t, "last words", string(got))
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := faultnet.Pipe()
		begin := time.Now()
		require.NoError(t, a.SetReadDeadline(begin.Add(time.Second)))
		_, err := a.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))
		require.NoError(t, a.SetWriteDeadline(begin.Add(3*time.Second)))
		_, err = a.Write(make([]byte, 1<<20)) // more than fits, and nobody reads
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(begin))
		require.NoError(t, a.SetDeadline(time.Time{}))
		_, err = io.ReadFull(b, make([]byte, 10))
		require.NoError(t, err)
		var reader sync.WaitGroup
		reader.Go(func() { _, err = a.Read(make([]byte, 1)) })
		synctest.Wait()
		require.NoError(t, a.Close())
		reader.Wait()
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestPlanOfASeedIsAlwaysTheSame(t *testing.T) {
	machines := []string{"a", "b"}
	plan := faultnet.NewPlan(7, time.Hour, 10*time.Second, machines, faultnet.Kinds())
	require.Equal(t, plan, faultnet.NewPlan(7, time.Hour, 10*time.Second, machines, faultnet.Kinds()))
	require.NotEqual(t, plan.Faults, faultnet.NewPlan(8, time.Hour, 10*time.Second, machines, faultnet.Kinds()).Faults)
	require.Contains(t, plan.String(), "seed 7")
	seen := map[faultnet.Kind]bool{}
	var span time.Duration
	for _, f := range plan.Faults {
		seen[f.Kind] = true
		span += f.After + f.For
	}
	require.Len(t, seen, len(faultnet.Kinds()))
	require.GreaterOrEqual(t, span, time.Hour)
}

func TestPlanLeavesNoFaultBehind(t *testing.T) {
	bubble(t, func(t *testing.T, n *faultnet.Net) {
		plan := faultnet.NewPlan(1, 10*time.Minute, 10*time.Second, []string{"a"}, faultnet.Kinds())
		var span time.Duration
		restarts, wanted := 0, 0
		for _, f := range plan.Faults {
			span += f.After
			switch f.Kind {
			case faultnet.Restart:
				wanted++
			case faultnet.Reset, faultnet.HalfClose:
			default:
				span += f.For
			}
		}
		begin := time.Now()
		require.NoError(t, plan.Run(t.Context(), n, func(time.Duration) { restarts++ }))
		require.Equal(t, wanted, restarts)
		require.Equal(t, span, time.Since(begin))
		require.Zero(t, trip(t, dial(t, n, "a"), "hello"))

		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(io.ErrNoProgress) })
		require.ErrorIs(t, plan.Run(ctx, n, func(time.Duration) {}), io.ErrNoProgress)
		require.Zero(t, trip(t, dial(t, n, "a"), "hello"))
	})
}

func TestProxyCarriesAndCutsRealConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var server sync.WaitGroup
	server.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			server.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	p, err := faultnet.NewProxy(l.Addr().String())
	require.NoError(t, err)
	c, err := net.Dial("tcp", p.Address())
	require.NoError(t, err)
	defer c.Close()
	trip(t, c, "hello")
	p.Set(faultnet.Everybody, faultnet.Conditions{HoldUp: true, HoldDown: true})
	_, err = fmt.Fprint(c, "held")
	require.NoError(t, err)
	require.Equal(t, 1, p.Connections(faultnet.Everybody))
	p.Set(faultnet.Everybody, faultnet.Conditions{})
	_, err = io.ReadFull(c, make([]byte, 4))
	require.NoError(t, err)
	p.Reset(faultnet.Everybody)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	p.Close()
	require.NoError(t, l.Close())
	server.Wait()
}

func TestSeedAndCountComeFromTheEnvironment(t *testing.T) {
	t.Setenv("BERTH_SEED", "42")
	require.Equal(t, uint64(42), faultnet.Seed(t))
	t.Setenv("BERTH_HISTORIES", "")
	require.Equal(t, 3, faultnet.Count(t, "BERTH_HISTORIES", 3))
	t.Setenv("BERTH_HISTORIES", "100")
	require.Equal(t, 100, faultnet.Count(t, "BERTH_HISTORIES", 3))
}
