package dflockd

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// This file has releases whose answers do not come.

// keeper is a server with one slot that keeps what a closed connection held, and
// does as told with the first releases.
type keeper struct {
	*peer
	fails  int    // so many releases…
	how    string // …are answered so: "close" or "" for not at all
	unread bool   // and without having been handled
	held   string
	served int // releases that were handled
}

func newKeeper(t *testing.T) *keeper {
	k := &keeper{}
	k.peer = newPeer(t, func(_ int, r wire.Request) string {
		k.mu.Lock()
		held := k.held
		k.mu.Unlock()
		switch r.Command {
		case wire.SemLock, wire.SemEnqueue:
			if held != "" {
				return "timeout"
			}
			line := k.grants(r)
			k.set(func() { k.held = strings.Fields(line)[1] })
			return line
		case wire.SemRelease:
			return k.release(string(r.Token.AppendTo(nil)))
		}
		return k.grants(r)
	})
	return k
}

func (k *keeper) set(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

func (k *keeper) release(token string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	fails := k.fails > 0
	if fails {
		k.fails--
	}
	if fails && k.unread {
		return k.how
	}
	answer := "error"
	if k.held == token {
		k.held, answer = "", "ok"
		k.served++
	}
	if fails {
		return k.how
	}
	return answer
}

func (k *keeper) holds() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held != ""
}

func TestReleaseIsAskedForAgainUntilTheServerHasTheSlotBack(t *testing.T) {
	for name, tc := range map[string]struct {
		fails  int
		how    string
		unread bool
		cut    bool // the connection breaks before
	}{
		"closed instead of answered":                    {fails: 1, how: "close", unread: true},
		"closed after it was handled":                   {fails: 1, how: "close"},
		"swallowed":                                     {fails: 1, unread: true},
		"answer swallowed":                              {fails: 1},
		"connection cut just before":                    {cut: true},
		"cut just before, and closed once more":         {cut: true, fails: 1, how: "close", unread: true},
		"closed twice instead of answered":              {fails: 2, how: "close", unread: true},
		"closed twice, the first one after it was done": {fails: 2, how: "close"},
		"refused by a server that shuts down":           {fails: 1, how: "error_draining", unread: true},
		"refused in words that nobody knows":            {fails: 1, how: "error_not_now", unread: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, strict := range []bool{true, false} {
				if tc.cut && !strict {
					continue // the slot is lost with its connection
				}
				synctest.Test(t, func(t *testing.T) {
					k := newKeeper(t)
					opts := []Option{WithDialer(k.dial), WithLease(20 * time.Second)}
					if strict {
						opts = append(opts, WithStrict())
					}
					s, err := NewSemaphore("k", 1, opts...)
					require.NoError(t, err)
					mustAcquire(t, s.holder)
					time.Sleep(2 * time.Second) // the connection counts as established
					k.set(func() { k.fails, k.how, k.unread = tc.fails, tc.how, tc.unread })
					ctx := s.Context()
					if tc.cut {
						k.reset()
					}
					start := time.Now()
					require.NoError(t, s.Release())
					require.LessOrEqual(t, time.Since(start), time.Second)
					require.False(t, k.holds(), "it is free when Release returns")
					require.ErrorIs(t, context.Cause(ctx), slot.ErrReleased)
					require.ErrorIs(t, s.Release(), ErrClosed)
					require.NoError(t, s.Close())
					k.reset()
				})
			}
		})
	}
}

func TestReleaseSaysUntilWhenTheSlotMayStayHeld(t *testing.T) {
	for name, fail := range map[string]func(k *keeper){
		"silent server":     func(k *keeper) { k.peer.set(func() { k.silent = true }) },
		"server that hangs": func(k *keeper) { k.set(func() { k.fails, k.unread = 1000, true }) },
		"server that is gone": func(k *keeper) {
			k.peer.set(func() { k.down = errReset })
			k.set(func() { k.fails, k.how, k.unread = 1, "close", true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKeeper(t)
				s, err := NewSemaphore("k", 1, WithDialer(k.dial), WithLease(20*time.Second), WithStrict())
				require.NoError(t, err)
				mustAcquire(t, s.holder)
				time.Sleep(2 * time.Second)
				fail(k)
				ctx := s.Context()
				start := time.Now()
				err = s.Release()
				require.Equal(t, time.Second, time.Since(start))
				require.ErrorIs(t, err, slot.ErrUnavailable)
				require.NotErrorIs(t, err, slot.ErrLost)
				require.ErrorContains(t, err, start.Add(20*time.Second).Format(time.RFC3339))
				require.ErrorIs(t, context.Cause(ctx), slot.ErrReleased)
				require.True(t, k.holds())
				// When the server is back it gets the slot back, long before the lease ends.
				k.heal()
				k.set(func() { k.fails = 0 })
				time.Sleep(12 * time.Second)
				require.False(t, k.holds())
				require.NoError(t, s.Close())
				k.reset()
			})
		})
	}
}

func TestCloseEndsTheReleaseThatIsTriedFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		s, err := NewSemaphore("k", 1, WithDialer(k.dial), WithLease(20*time.Second), WithStrict())
		require.NoError(t, err)
		mustAcquire(t, s.holder)
		k.peer.set(func() { k.down = errReset })
		k.set(func() { k.fails, k.how, k.unread = 1, "close", true })
		require.ErrorIs(t, s.Release(), slot.ErrUnavailable)
		require.NoError(t, s.Close())
		before, _ := k.counts()
		time.Sleep(time.Minute)
		after, _ := k.counts()
		require.Equal(t, before, after, "nothing is dialled any more")
	})
}

func TestReleaseOfASlotThatTheServerHasForgottenIsALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		s, err := NewSemaphore("k", 1, WithDialer(k.dial), WithLease(20*time.Second), WithStrict())
		require.NoError(t, err)
		mustAcquire(t, s.holder)
		k.set(func() { k.held = "" })
		require.ErrorIs(t, s.Release(), slot.ErrLost)
	})
}

// A grant that was given back over a connection that broke is given back over
// another one, on a strict server.
func TestAGrantThatNobodyWantsIsGivenBackOverAnotherConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		src, err := NewSource(slot.Fixed("k", 1), WithDialer(k.dial), WithLease(20*time.Second), WithStrict())
		require.NoError(t, err)
		require.NoError(t, src.Ping(t.Context()))
		time.Sleep(2 * time.Second)
		k.peer.set(func() { k.delay = 100 * time.Millisecond })
		k.set(func() { k.fails, k.how, k.unread = 1, "close", true })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = src.Enqueue(ctx, "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(5 * time.Second)
		require.False(t, k.holds())
		require.NoError(t, src.Close(context.Background()))
		k.reset()
	})
}

func TestConcurrentReleasesHaveOneOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		s, err := NewSemaphore("k", 1, WithDialer(k.dial), WithLease(20*time.Second), WithStrict())
		require.NoError(t, err)
		mustAcquire(t, s.holder)
		k.peer.set(func() { k.delay = 100 * time.Millisecond })
		outcomes := make(chan error, 5)
		for range 5 {
			go func() { outcomes <- s.Release() }()
		}
		for range 5 {
			require.NoError(t, <-outcomes)
		}
		require.Equal(t, 1, k.count(wire.SemRelease))
		require.NoError(t, s.Close())
		k.reset()
	})
}
