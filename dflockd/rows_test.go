package dflockd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// row holds the tests of a row of the table in the package documentation, in
// which the API of the TypeScript client stands beside ours.
type row struct {
	does      func(t *testing.T, to *target)
	byDefault func(t *testing.T, to *target) // nil where the table has "-"
	refuses   func(t *testing.T, to *target) // nil where the table has "-"
}

// target is a server to test against.
type target struct {
	original bool                                    // its server is that of release 1.10
	start    func(t *testing.T, s settings) []Option // options to reach it
	dial     DialFunc                                // set by start
}

// settings are those of a server that the rows need.
type settings struct {
	secret string
	tls    *tls.Config
}

func (to *target) lock(t *testing.T, opts ...Option) *Lock {
	t.Helper()
	l, err := NewLock(name(t), append(to.start(t, settings{}), opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// pair returns two semaphores of limit 1 with the same name.
func (to *target) pair(t *testing.T, opts ...Option) (a, b *Semaphore) {
	t.Helper()
	return to.unequalPair(t, opts, opts)
}

// patientPair is pair where the options are those of the second alone. The first
// has the time limits of every client, which a busy machine keeps too.
func (to *target) patientPair(t *testing.T, opts ...Option) (patient, b *Semaphore) {
	t.Helper()
	return to.unequalPair(t, nil, opts)
}

func (to *target) unequalPair(t *testing.T, forA, forB []Option) (a, b *Semaphore) {
	t.Helper()
	common := to.start(t, settings{})
	var err error
	a, err = NewSemaphore(name(t), 1, slices.Concat(common, forA)...)
	require.NoError(t, err)
	b, err = NewSemaphore(name(t), 1, slices.Concat(common, forB)...)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// name returns a key of the test's own.
func name(t *testing.T) string { return strings.ReplaceAll(t.Name(), " ", "_") }

// steal releases a slot behind its holder's back.
func (to *target) steal(t *testing.T, key, token string) {
	t.Helper()
	c, err := to.dial(t.Context(), "tcp", defaultServer)
	require.NoError(t, err)
	defer c.Close()
	tok, ok := wire.ParseToken([]byte(token))
	require.True(t, ok)
	out, err := wire.AppendRequest(nil, &wire.Request{Command: wire.SemRelease, Key: key, Token: tok})
	require.NoError(t, err)
	_, err = c.Write(out)
	require.NoError(t, err)
	answer := make([]byte, 16)
	n, err := c.Read(answer)
	require.NoError(t, err)
	require.Equal(t, "ok\n", string(answer[:n]))
}

func mustAcquire(t *testing.T, h *holder) {
	t.Helper()
	ok, err := h.Acquire(t.Context())
	require.NoError(t, err)
	require.True(t, ok)
}

// mustBeFree claims a slot that is free by now, without a limit of the caller's to
// how long the answer may take.
func mustBeFree(t *testing.T, h *holder) {
	t.Helper()
	status, err := h.Enqueue(t.Context())
	require.NoError(t, err)
	require.Equal(t, Acquired, status)
}

func mustNotAcquire(t *testing.T, h *holder) {
	t.Helper()
	ok, err := h.Acquire(t.Context())
	require.NoError(t, err)
	require.False(t, ok)
}

var rows = map[string]row{
	"key": {
		does: func(t *testing.T, to *target) {
			opts := append(to.start(t, settings{}), WithAcquireTimeout(0))
			a, err := NewLock("a-"+name(t), opts...)
			require.NoError(t, err)
			b, err := NewLock("b-"+name(t), opts...)
			require.NoError(t, err)
			again, err := NewLock("a-"+name(t), opts...)
			require.NoError(t, err)
			mustAcquire(t, a.holder)
			mustAcquire(t, b.holder)
			mustNotAcquire(t, again.holder)
			require.NoError(t, a.Release())
			require.NoError(t, b.Release())
		},
		refuses: func(t *testing.T, to *target) {
			for _, bad := range []string{"", "a b", "a\nb", "a\rb", "a\x00", "\xff", strings.Repeat("x", 257)} {
				_, err := NewLock(bad)
				require.ErrorIs(t, err, slot.ErrKey)
				_, err = NewSemaphore(bad, 2)
				require.ErrorIs(t, err, slot.ErrKey)
			}
		},
	},
	"limit": {
		does: func(t *testing.T, to *target) {
			opts := append(to.start(t, settings{}), WithAcquireTimeout(0))
			var all []*Semaphore
			for range 4 {
				s, err := NewSemaphore(name(t), 3, opts...)
				require.NoError(t, err)
				require.Equal(t, 3, s.Limit())
				all = append(all, s)
			}
			for _, s := range all[:3] {
				mustAcquire(t, s.holder)
			}
			mustNotAcquire(t, all[3].holder)
			for _, s := range all[:3] {
				require.NoError(t, s.Release())
			}
		},
		refuses: func(t *testing.T, to *target) {
			for _, bad := range []int{0, -1, math.MinInt} {
				_, err := NewSemaphore("k", bad)
				require.ErrorContains(t, err, "the limit is")
			}
			opts := to.start(t, settings{})
			two, err := NewSemaphore(name(t), 2, opts...)
			require.NoError(t, err)
			three, err := NewSemaphore(name(t), 3, opts...)
			require.NoError(t, err)
			mustAcquire(t, two.holder)
			ok, err := three.Acquire(t.Context())
			if to.original {
				require.ErrorIs(t, err, ErrLimitMismatch)
			} else { // each has its own limit
				require.NoError(t, err)
				require.True(t, ok)
				require.NoError(t, three.Release())
			}
			require.NoError(t, two.Release())
		},
	},
	"acquireTimeoutS": {
		does: func(t *testing.T, to *target) {
			a, b := to.patientPair(t, WithAcquireTimeout(300*time.Millisecond))
			mustAcquire(t, a.holder)
			start := time.Now()
			mustNotAcquire(t, b.holder)
			require.GreaterOrEqual(t, time.Since(start), 300*time.Millisecond)
			require.NoError(t, a.Release())
			mustBeFree(t, b.holder)
		},
		byDefault: func(t *testing.T, to *target) {
			l := to.lock(t)
			require.Equal(t, 10*time.Second, l.cfg.acquireTimeout)
		},
		refuses: func(t *testing.T, to *target) {
			_, err := NewLock("k", WithAcquireTimeout(-1))
			require.ErrorContains(t, err, "WithAcquireTimeout")
		},
	},
	"leaseTtlS": {
		does: func(t *testing.T, to *target) {
			l := to.lock(t, WithLease(1500*time.Millisecond))
			mustAcquire(t, l.holder)
			require.Equal(t, 2*time.Second, l.Lease(), "rounded up to whole seconds")
		},
		byDefault: func(t *testing.T, to *target) {
			l := to.lock(t)
			mustAcquire(t, l.holder)
			require.Equal(t, 33*time.Second, l.Lease(), "the server's")
		},
		refuses: func(t *testing.T, to *target) {
			for _, bad := range []time.Duration{0, -time.Second} {
				_, err := NewLock("k", WithLease(bad))
				require.ErrorContains(t, err, "WithLease")
			}
		},
	},
	"servers": {
		does: func(t *testing.T, to *target) {
			l := to.lock(t)
			mustAcquire(t, l.holder)
			l = to.lock(t, WithServers("127.0.0.1:1"), WithDialer((&net.Dialer{}).DialContext))
			_, err := l.Acquire(t.Context())
			require.ErrorIs(t, err, slot.ErrUnavailable)
			require.ErrorContains(t, err, "127.0.0.1:1")
		},
		byDefault: func(t *testing.T, to *target) {
			l, err := NewLock("k")
			require.NoError(t, err)
			require.Equal(t, []string{"127.0.0.1:6388"}, l.e.servers)
		},
		refuses: func(t *testing.T, to *target) {
			_, err := NewLock("k", WithServers())
			require.ErrorContains(t, err, "empty")
			for _, bad := range []string{"", "localhost", ":6388", "a:0", "a:65536", "a:b", "a:-1"} {
				_, err := NewLock("k", WithServers("ok:1", bad))
				require.ErrorContains(t, err, "WithServers", bad)
			}
		},
	},
	"shardingStrategy": {
		does: func(t *testing.T, to *target) {
			l, err := NewLock("k", WithServers("a:1", "b:2", "c:3"), WithSharding(func(key string, n int) int {
				require.Equal(t, "k", key)
				return n - 1
			}))
			require.NoError(t, err)
			require.Equal(t, []string{"c:3"}, l.e.servers)
		},
		byDefault: func(t *testing.T, to *target) {
			servers := []string{"a:1", "b:2", "c:3"}
			l, err := NewLock("123456789", WithServers(servers...))
			require.NoError(t, err)
			require.Equal(t, servers[StableHashShard("123456789", 3)], l.e.servers[0])
		},
		refuses: func(t *testing.T, to *target) {
			for _, servers := range [][]string{{"a:1", "b:2"}, {"a:1"}} {
				for _, i := range []int{-1, len(servers)} {
					_, err := NewLock("k", WithServers(servers...), WithSharding(func(string, int) int { return i }))
					require.ErrorContains(t, err, fmt.Sprintf("server %d of %d", i, len(servers)))
				}
			}
			_, err := NewLock("k", WithSharding(nil))
			require.Error(t, err)
		},
	},
	"host, port": {
		does: func(t *testing.T, to *target) {
			l, err := NewLock("k", WithServers("db.example:7000"))
			require.NoError(t, err)
			require.Equal(t, []string{"db.example:7000"}, l.e.servers)
		},
		byDefault: func(t *testing.T, to *target) {
			l, err := NewLock("k")
			require.NoError(t, err)
			require.Equal(t, []string{"127.0.0.1:6388"}, l.e.servers)
		},
	},
	"renewRatio": {
		does: func(t *testing.T, to *target) {
			require.Equal(t, time.Second, paceFor(0.1, 0).Beat(10*time.Second))
			l := to.lock(t, WithLease(10*time.Second), WithRenewRatio(0.1))
			mustAcquire(t, l.holder)
			expires := (*grant)(l.claim).Info().ExpiresAt
			require.Eventually(t, func() bool { return (*grant)(l.claim).Info().ExpiresAt.After(expires) }, time.Minute, 10*time.Millisecond)
		},
		byDefault: func(t *testing.T, to *target) {
			require.Equal(t, 0.5, to.lock(t).cfg.renewRatio)
		},
		refuses: func(t *testing.T, to *target) {
			for _, bad := range []float64{0, 1, -0.5, 1.5, math.NaN(), math.Inf(1)} {
				_, err := NewLock("k", WithRenewRatio(bad))
				require.ErrorContains(t, err, "WithRenewRatio")
			}
		},
	},
	"tls": {
		does: func(t *testing.T, to *target) {
			cert, pool := certificate(t, "127.0.0.1")
			opts := to.start(t, settings{tls: &tls.Config{Certificates: []tls.Certificate{cert}}})
			l, err := NewLock(name(t), append(opts, WithTLS(&tls.Config{RootCAs: pool}))...)
			require.NoError(t, err)
			mustAcquire(t, l.holder)
			require.NoError(t, l.Release())
		},
		byDefault: func(t *testing.T, to *target) {
			require.Nil(t, to.lock(t).cfg.tls)
			l, err := NewLock("k", WithTLS(&tls.Config{}))
			require.NoError(t, err)
			require.Nil(t, l.cfg.tls.RootCAs, "empty settings mean the system's CAs")
			require.EqualValues(t, tls.VersionTLS12, l.cfg.tls.MinVersion)
		},
		refuses: func(t *testing.T, to *target) {
			cert, pool := certificate(t, "other.example")
			opts := to.start(t, settings{tls: &tls.Config{Certificates: []tls.Certificate{cert}}})
			var name x509.HostnameError
			for cfg, check := range map[*tls.Config]func(error){
				{RootCAs: pool}: func(err error) { require.ErrorAs(t, err, &name) },
				{}:              func(err error) { require.Error(t, err) }, // not signed by the system's CAs
			} {
				l, err := NewLock("k", append(opts, WithTLS(cfg))...)
				require.NoError(t, err)
				_, err = l.Acquire(t.Context())
				require.ErrorIs(t, err, slot.ErrUnavailable)
				check(err)
			}
			_, err := NewLock("k", WithTLS(nil))
			require.Error(t, err)
		},
	},
	"auth": {
		does: func(t *testing.T, to *target) {
			l, err := NewLock(name(t), append(to.start(t, settings{secret: "open sesame"}), WithAuth("open sesame"))...)
			require.NoError(t, err)
			mustAcquire(t, l.holder)
			require.NoError(t, l.Release())
		},
		byDefault: func(t *testing.T, to *target) {
			l, err := NewLock(name(t), to.start(t, settings{secret: "sesame"})...)
			require.NoError(t, err)
			_, err = l.Acquire(t.Context())
			require.ErrorIs(t, err, ErrAuth, "none is sent")
		},
		refuses: func(t *testing.T, to *target) {
			l, err := NewLock(name(t), append(to.start(t, settings{secret: "sesame"}), WithAuth("wrong"))...)
			require.NoError(t, err)
			_, err = l.Acquire(t.Context())
			require.ErrorIs(t, err, ErrAuth)
			for _, bad := range []string{"", "a\nl\nk\n0", "a\r", "a\x00", "\xff", strings.Repeat("x", 257)} {
				_, err = NewLock("k", WithAuth(bad))
				require.ErrorContains(t, err, "WithAuth")
			}
			_, err = NewLock("k", WithServers("10.0.0.1:6388"), WithAuth("sesame"))
			require.ErrorContains(t, err, "in the clear")
			for _, allowed := range [][]Option{
				{WithServers("10.0.0.1:6388"), WithPlaintextAuth()},
				{WithServers("10.0.0.1:6388"), WithTLS(&tls.Config{})},
				{WithServers("127.0.0.1:6388", "localhost:1", "[::1]:2")},
			} {
				_, err = NewLock("k", append(allowed, WithAuth("sesame"))...)
				require.NoError(t, err)
			}
		},
	},
	"onLockLost": {
		does: func(t *testing.T, to *target) {
			type loss struct{ key, token string }
			lost := make(chan loss, 2)
			var l *Semaphore
			var ended error
			l, _ = to.pair(t, WithLease(10*time.Second), WithRenewRatio(0.05), WithOnLost(func(key, token string) {
				ended = context.Cause(l.Context())
				_ = l.Close() // closing here hangs nothing
				lost <- loss{key, token}
			}))
			mustAcquire(t, l.holder)
			token := l.Token()
			to.steal(t, l.Key(), token)
			require.Equal(t, loss{l.Key(), token}, <-lost)
			require.ErrorIs(t, ended, slot.ErrLost)
			require.ErrorIs(t, l.Release(), slot.ErrLost)
			mustAcquire(t, l.holder)
			require.NoError(t, l.Release())
			require.Empty(t, lost, "a release is no loss")
		},
		byDefault: func(t *testing.T, to *target) {
			l := to.lock(t, WithLease(10*time.Second), WithRenewRatio(0.05))
			mustAcquire(t, l.holder)
			ctx := l.Context()
			to.steal(t, l.Key(), l.Token())
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), slot.ErrLost)
		},
		refuses: func(t *testing.T, to *target) {
			_, err := NewLock("k", WithOnLost(nil))
			require.ErrorContains(t, err, "WithOnLost")
		},
	},
	"connectTimeoutMs": {
		does: func(t *testing.T, to *target) {
			const limit = 200 * time.Millisecond
			var left time.Duration
			l := to.lock(t, WithConnectTimeout(limit), WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
				deadline, ok := ctx.Deadline()
				require.True(t, ok)
				left = time.Until(deadline)
				<-ctx.Done()
				return nil, ctx.Err()
			}))
			_, err := l.Acquire(t.Context())
			require.ErrorIs(t, err, slot.ErrUnavailable)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.LessOrEqual(t, left, limit, "what the dialer was given")
		},
		byDefault: func(t *testing.T, to *target) {
			require.Equal(t, 3*time.Second, to.lock(t).cfg.connectTimeout)
		},
		refuses: func(t *testing.T, to *target) {
			_, err := NewLock("k", WithConnectTimeout(0))
			require.ErrorContains(t, err, "WithConnectTimeout")
		},
	},
	"socketTimeoutMs": {
		does: func(t *testing.T, to *target) {
			// A server on a busy machine needs a while for an answer.
			a, b := to.patientPair(t, WithSocketTimeout(2*time.Second), WithAcquireTimeout(3*time.Second))
			mustAcquire(t, a.holder)
			mustNotAcquire(t, b.holder) // waiting in line is not counted
			p := newPeer(t, func(_ int, r wire.Request) string {
				if r.Command == wire.Hello {
					return "error"
				}
				return ""
			})
			mute, err := NewLock("k", WithDialer(p.dial), WithSocketTimeout(100*time.Millisecond))
			require.NoError(t, err)
			_, err = mute.Acquire(t.Context())
			require.ErrorIs(t, err, errNoAnswer)
			require.ErrorIs(t, err, slot.ErrUnavailable)
		},
		byDefault: func(t *testing.T, to *target) {
			require.Equal(t, 5*time.Second, to.lock(t).cfg.socketTimeout)
		},
		refuses: func(t *testing.T, to *target) {
			_, err := NewLock("k", WithSocketTimeout(-1))
			require.ErrorContains(t, err, "WithSocketTimeout")
		},
	},
	"withLock": {
		does: func(t *testing.T, to *target) {
			a, b := to.pair(t, WithAcquireTimeout(0))
			oops := errors.New("oops")
			err := a.WithLock(t.Context(), func(ctx context.Context) error {
				mustNotAcquire(t, b.holder)
				require.NoError(t, ctx.Err())
				return oops
			})
			require.ErrorIs(t, err, oops)
			require.Panics(t, func() { _ = a.WithLock(t.Context(), func(context.Context) error { panic("oh") }) })
			mustAcquire(t, b.holder) // released all the same
			require.NoError(t, b.Release())
			err = a.WithLock(t.Context(), func(ctx context.Context) error {
				to.steal(t, a.Key(), a.Token())
				return oops
			})
			require.ErrorIs(t, err, oops, "a release that failed hides nothing")
			require.ErrorIs(t, err, slot.ErrLost)
		},
		refuses: func(t *testing.T, to *target) {
			a, b := to.pair(t, WithAcquireTimeout(0))
			mustAcquire(t, a.holder)
			err := b.WithLock(t.Context(), func(context.Context) error { panic("not held") })
			require.ErrorIs(t, err, ErrTimeout)
		},
	},
	"acquire": {
		does: func(t *testing.T, to *target) {
			a, b := to.patientPair(t, WithAcquireTimeout(200*time.Millisecond))
			mustAcquire(t, a.holder)
			mustNotAcquire(t, b.holder)
			ok, err := a.Acquire(t.Context(), Force())
			require.NoError(t, err)
			require.True(t, ok, "the old connection is closed first")
			require.NoError(t, a.Release())
			mustBeFree(t, b.holder)
		},
		refuses: func(t *testing.T, to *target) {
			a, b := to.pair(t)
			mustAcquire(t, a.holder)
			_, err := a.Acquire(t.Context())
			require.ErrorIs(t, err, ErrAlreadyConnected)
			require.NotEmpty(t, a.Token(), "the slot stays")
			why := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
			_, err = b.Acquire(ctx)
			require.ErrorIs(t, err, why)
		},
	},
	"release": {
		does: func(t *testing.T, to *target) {
			a, b := to.pair(t, WithAcquireTimeout(0))
			mustAcquire(t, a.holder)
			ctx := a.Context()
			require.NoError(t, a.Release())
			require.ErrorIs(t, context.Cause(ctx), slot.ErrReleased)
			require.Empty(t, a.e.conns, "the connection is closed")
			mustAcquire(t, b.holder)
		},
		refuses: func(t *testing.T, to *target) {
			a, b := to.pair(t)
			require.ErrorIs(t, a.Release(), ErrClosed)
			mustAcquire(t, a.holder)
			_, err := b.Enqueue(t.Context())
			require.NoError(t, err)
			require.NoError(t, b.Release(), "it leaves the line")
			require.ErrorIs(t, b.Release(), ErrClosed)
			require.NoError(t, a.Release())
			require.ErrorIs(t, a.Release(), ErrClosed)
		},
	},
	"enqueue": {
		does: func(t *testing.T, to *target) {
			a, b := to.pair(t)
			status, err := a.Enqueue(t.Context())
			require.NoError(t, err)
			require.Equal(t, Acquired, status)
			require.NotEmpty(t, a.Token())
			status, err = b.Enqueue(t.Context())
			require.NoError(t, err)
			require.Equal(t, Queued, status)
			require.Empty(t, b.Token())
			require.Equal(t, "acquired queued", Acquired.String()+" "+Queued.String())
			status, err = b.Enqueue(t.Context(), Force())
			require.NoError(t, err)
			require.Equal(t, Queued, status)
		},
		refuses: func(t *testing.T, to *target) {
			a, b := to.pair(t)
			_, err := a.Enqueue(t.Context())
			require.NoError(t, err)
			_, err = b.Enqueue(t.Context())
			require.NoError(t, err)
			for _, s := range []*Semaphore{a, b} {
				_, err = s.Enqueue(t.Context())
				require.ErrorIs(t, err, ErrAlreadyConnected)
			}
		},
	},
	"wait": {
		does: func(t *testing.T, to *target) {
			a, b := to.pair(t)
			_, err := a.Enqueue(t.Context())
			require.NoError(t, err)
			ok, err := a.Wait(t.Context())
			require.NoError(t, err)
			require.True(t, ok, "at once after acquired")
			_, err = b.Enqueue(t.Context())
			require.NoError(t, err)
			time.AfterFunc(200*time.Millisecond, func() { _ = a.Release() })
			ok, err = b.Wait(t.Context())
			require.NoError(t, err)
			require.True(t, ok)
			require.NotEmpty(t, b.Token())
			_, err = a.Enqueue(t.Context())
			require.NoError(t, err)
			ok, err = a.WaitFor(t.Context(), 100*time.Millisecond)
			require.NoError(t, err)
			require.False(t, ok)
			require.NoError(t, b.Release())
			mustAcquire(t, b.holder) // the place was given up
		},
		byDefault: func(t *testing.T, to *target) {
			a, b := to.patientPair(t, WithAcquireTimeout(100*time.Millisecond))
			mustAcquire(t, a.holder)
			_, err := b.Enqueue(t.Context())
			require.NoError(t, err)
			ok, err := b.Wait(t.Context())
			require.NoError(t, err)
			require.False(t, ok)
		},
		refuses: func(t *testing.T, to *target) {
			a, _ := to.pair(t)
			_, err := a.Wait(t.Context())
			require.ErrorIs(t, err, ErrClosed)
			mustAcquire(t, a.holder)
			require.NoError(t, a.Release())
			_, err = a.Wait(t.Context())
			require.ErrorIs(t, err, ErrClosed)
		},
	},
	"close": {
		does: func(t *testing.T, to *target) {
			a, b := to.pair(t)
			mustAcquire(t, a.holder)
			ctx := a.Context()
			for range 3 {
				require.NoError(t, a.Close())
			}
			require.ErrorIs(t, context.Cause(ctx), ErrClosed)
			require.NotErrorIs(t, context.Cause(ctx), slot.ErrLost)
			mustAcquire(t, b.holder) // the server frees what a closed connection held
			_, err := a.Enqueue(t.Context())
			require.NoError(t, err)
			require.NoError(t, a.Close())
			_, err = a.Enqueue(t.Context()) // and it can be opened again
			require.NoError(t, err)
		},
	},
	"key, limit, token, lease": {
		does: func(t *testing.T, to *target) {
			a, _ := to.pair(t, WithLease(3*time.Second))
			require.Equal(t, name(t), a.Key())
			require.Equal(t, 1, a.Limit())
			mustAcquire(t, a.holder)
			require.Regexp(t, "^[0-9a-f]{32}$", a.Token())
			require.Equal(t, 3*time.Second, a.Lease())
			require.NoError(t, a.Context().Err())
			require.NoError(t, a.Release())
			require.Empty(t, a.Token())
			require.Zero(t, a.Lease())
		},
		byDefault: func(t *testing.T, to *target) {
			a, _ := to.pair(t)
			require.Empty(t, a.Token())
			require.Zero(t, a.Lease())
			require.Zero(t, a.Fence())
			require.ErrorIs(t, context.Cause(a.Context()), ErrNotHeld)
		},
	},
}
