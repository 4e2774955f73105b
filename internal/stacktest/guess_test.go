package stacktest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

const rightSecret = "the right one"

// TestGuessesDoNotKeepThoseOutWhoHaveTheSecret has pools and locks lose all
// their connections while somebody behind the same address guesses at the secret once
// a second. Ten seconds later they are back at their speed, and nothing has
// failed for it.
func TestGuessesDoNotKeepThoseOutWhoHaveTheSecret(t *testing.T) {
	for name, tc := range map[string]struct {
		keys int
		use  func(t *testing.T, n *faultnet.Net, keys int) (jobs func() int64, stop func())
	}{
		"a pool":                       {600, usePool},
		"locks with a connection each": {100, useLocks},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, err := server.Start(context.Background(), server.WithInMemory(), server.WithSecret(rightSecret))
				require.NoError(t, err)
				defer srv.Close()
				n := faultnet.New(srv.Dial)
				defer n.Close()
				defer guess(t, n)()
				jobs, stop := tc.use(t, n, tc.keys)
				defer stop()
				speed := func() int64 {
					before := jobs()
					time.Sleep(5 * time.Second)
					return jobs() - before
				}
				time.Sleep(5 * time.Second)
				before := speed()
				require.Greater(t, before, int64(tc.keys))
				n.Reset(faultnet.Everybody)
				time.Sleep(10 * time.Second)
				// Jobs of a second each: a key ends five or six of them in the time.
				require.GreaterOrEqual(t, speed(), before*3/4, "jobs in 5 s")
			})
		})
	}
}

// usePool has a pool run jobs of each key, one after the other.
func usePool(t *testing.T, n *faultnet.Net, keys int) (jobs func() int64, stop func()) {
	src, err := dflockd.NewSource(slot.Keyed("", 1), dflockd.WithDialer(n.Dialer("a")), dflockd.WithAuth(rightSecret))
	require.NoError(t, err)
	p, err := pool.New(keys, pool.WithSlots(src), pool.WithReuse(0))
	require.NoError(t, err)
	var over atomic.Bool
	for key := range keys {
		require.NoError(t, p.Go(func(ctx context.Context) error {
			rest(ctx, time.Second)
			if over.Load() {
				return nil
			}
			return pool.RetryAfter(0, errOver)
		}, pool.Key(fmt.Sprint(key))))
	}
	return func() int64 { return p.Stats().Retries }, func() {
		require.Zero(t, p.Stats().Finished, "no job has ended for it")
		over.Store(true)
		require.NoError(t, p.Shutdown(context.Background()))
		require.NoError(t, src.Close(context.Background()))
	}
}

// useLocks has a client take each lock again and again, over a new connection
// each time.
func useLocks(t *testing.T, n *faultnet.Net, keys int) (jobs func() int64, stop func()) {
	var ran atomic.Int64
	var over atomic.Bool
	var clients sync.WaitGroup
	for key := range keys {
		l, err := dflockd.NewLock(fmt.Sprint(key), dflockd.WithDialer(n.Dialer(fmt.Sprint(key))), dflockd.WithAuth(rightSecret))
		require.NoError(t, err)
		clients.Go(func() {
			for !over.Load() {
				err := l.WithLock(t.Context(), func(ctx context.Context) error {
					rest(ctx, time.Second)
					return nil
				})
				if err == nil {
					ran.Add(1)
				} else {
					assert.NotErrorIs(t, err, dflockd.ErrAuth)
				}
			}
			_ = l.Close()
		})
	}
	return ran.Load, func() {
		over.Store(true)
		clients.Wait()
	}
}

// guess shows the server a wrong secret once a second, from the address that all
// connections in memory share, until what it returns is called.
func guess(t *testing.T, n *faultnet.Net) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var guessing sync.WaitGroup
	guessing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			c, err := n.Dialer("guesser")(ctx, "tcp", "x:1")
			if err != nil {
				rest(ctx, time.Second)
				continue
			}
			guessing.Go(func() { tryOnce(c, i) })
			rest(ctx, time.Second)
		}
	})
	return func() {
		cancel()
		guessing.Wait()
	}
}

func tryOnce(c net.Conn, i int) {
	defer c.Close()
	_, _ = fmt.Fprintf(c, "auth\n_\nguess %d\n", i)
	_, _ = io.ReadAll(c)
}
