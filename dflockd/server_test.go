package dflockd

import (
	"bytes"
	"context"
	"net"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// pipeListener is where a server accepts the connections of networks.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6388} }

// serve hands a connection to the server, or closes it if there is none.
func (l *pipeListener) serve(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		_ = c.Close()
	}
}

// startServer starts our server on faulty networks in memory.
func startServer(t *testing.T, opts ...server.Option) (*server.Server, *pipeListener) {
	t.Helper()
	ln := newPipeListener()
	srv, err := server.Start(context.Background(), append(opts, server.WithListener(ln))...)
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	return srv, ln
}

// original wraps a dialler so that the server seems to have no tagged requests.
func original(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &untagged{c}, nil
	}
}

// clockless wraps a dialler so that the server seems to have no clocks for a pace.
func clockless(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &unpaced{c}, nil
	}
}

type unpaced struct{ net.Conn }

func (c *unpaced) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	copy(b, bytes.ReplaceAll(b[:n], []byte(" pace=1"), []byte(" pace=0")))
	return n, err
}

type untagged struct{ net.Conn }

func (c *untagged) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	copy(b, bytes.ReplaceAll(b[:n], []byte(" tags=1"), []byte(" tags=0")))
	return n, err
}

var renewal = regexp.MustCompile(`(?m)^sn\n\S*slottest\n([0-9a-f]{32})`)

// thief makes renewals fail and then releases the slots: the engine takes them
// away, and the client is told before anybody else is granted one.
type thief struct {
	mu     sync.Mutex
	on     bool
	tokens []string
}

func (th *thief) dial(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &robbed{c, th}, nil
	}
}

type robbed struct {
	net.Conn
	*thief
}

func (c *robbed) Write(b []byte) (int, error) {
	c.mu.Lock()
	if c.on {
		for _, m := range renewal.FindAllSubmatch(b, -1) {
			c.tokens = append(c.tokens, string(m[1]))
			copy(m[1], "00000000000000000000000000000001")
		}
	}
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// rob makes renewals fail until so many slots have not been renewed. They are
// over when their leases are.
func (th *thief) rob(t *testing.T, slots int) {
	th.mu.Lock()
	th.on, th.tokens = true, nil
	th.mu.Unlock()
	require.Eventually(t, func() bool {
		th.mu.Lock()
		defer th.mu.Unlock()
		slices.Sort(th.tokens)
		th.tokens = slices.Compact(th.tokens)
		return len(th.tokens) >= slots
	}, time.Minute, 10*time.Millisecond, "slots are renewed")
	th.mu.Lock()
	th.on = false
	th.mu.Unlock()
}

// expire takes the slots away.
func (th *thief) expire(t *testing.T, dial DialFunc) {
	th.mu.Lock()
	th.on, th.tokens = true, nil
	th.mu.Unlock()
	time.Sleep(3 * time.Second)
	th.mu.Lock()
	th.on = false
	tokens := th.tokens
	th.mu.Unlock()
	c, err := dial(t.Context(), "tcp", defaultServer)
	require.NoError(t, err)
	defer c.Close()
	for _, token := range tokens {
		tok, _ := wire.ParseToken([]byte(token))
		out, err := wire.AppendRequest(nil, &wire.Request{Command: wire.SemRelease, Key: "slottest", Token: tok})
		require.NoError(t, err)
		_, err = c.Write(out)
		require.NoError(t, err)
	}
	time.Sleep(time.Millisecond) // until they have arrived
}

func TestSourceKeepsThePromisesOfASource(t *testing.T) {
	for _, tc := range []struct {
		name         string
		strict, tags bool
		limit        int
		paced        bool // at a rate that stops nobody
	}{
		{"immediate release, tagged requests", false, true, 2, false},
		{"immediate release", false, false, 2, false},
		{"strict, tagged requests", true, true, 2, false},
		{"strict", true, false, 2, false},
		{"one slot", false, true, 1, false},
		{"many slots", false, false, 20, false},
		{"with a pace", true, true, 2, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			slottest.RunSynctest(t, func(t *testing.T) slottest.Harness {
				_, ln := startServer(t, server.WithAutoRelease(!tc.strict), server.WithAdminSecrets("zookeeper"))
				n, other := newNetwork(ln.serve), newNetwork(ln.serve)
				th := &thief{}
				dial, peerDial := DialFunc(th.dial(n.dial)), DialFunc(other.dial)
				if !tc.tags {
					dial, peerDial = original(clockless(dial)), original(clockless(peerDial))
				}
				source := func(limit int, dial DialFunc) *Source {
					src, err := NewSource(slot.Keyed("", limit), WithDialer(dial), WithLease(5*time.Second), WithAuth("zookeeper"))
					require.NoError(t, err)
					return src
				}
				ownLimits := func(n int) slot.Source { return source(n, peerDial) }
				if !tc.tags {
					ownLimits = nil // an original server wants the same one of all
				}
				src := slot.Source(source(tc.limit, dial))
				if tc.paced {
					src = slot.Pace(src, slot.Every(time.Nanosecond), 10_000)
				}
				return slottest.Harness{
					Source: src, Peer: source(tc.limit, peerDial), OwnLimits: ownLimits, Inspect: tc.tags, Control: tc.tags,
					FIFO: true, Prompt: true, Strict: tc.strict, Fence: true, Pace: !tc.paced,
					TakeAway: func(string) { th.expire(t, other.dial) },
					Expire:   func(string) { th.rob(t, tc.limit) },
					Silence:  func() { n.set(func() { n.frozen, n.hang = true, true }) },
					Break:    n.reset, Heal: n.heal,
					BadKeys: []string{"", "a b", "a\nb", "\xff"},
					Within:  10 * time.Second,
				}
			})
		})
	}
}
