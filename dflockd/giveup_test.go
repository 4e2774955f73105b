package dflockd

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
	"github.com/berth-go/berth/slot"
)

// This file has the ways in which a claim of a Semaphore, a Lock or a Source is given
// up. A slot that is granted at that moment goes back, whatever the server does about
// connections that close.

// a dialect is what a client gets to hear of the server in memory.
type dialect struct {
	name   string
	strict bool
	dial   func(DialFunc) DialFunc
	opts   []Option
}

func plain(dial DialFunc) DialFunc { return dial }

// dialects are our server in both modes, as it is, without tagged requests, and as
// if it knew no more than the original one.
func dialects() []dialect {
	return []dialect{
		{"immediate", false, plain, nil},
		{"immediate, untagged", false, original, nil},
		{"immediate, no hello", false, silentHello, nil},
		{"strict", true, plain, nil},
		{"strict, untagged", true, original, nil},
		{"strict, no hello", true, silentHello, []Option{WithStrict()}},
	}
}

// start starts a server in memory and returns the options that lead to it.
func (d dialect) start(t *testing.T, opts ...Option) (*network, []Option) {
	t.Helper()
	_, ln := startServer(t, server.WithAutoRelease(!d.strict))
	n := newNetwork(ln.serve)
	return n, append(append([]Option{WithDialer(d.dial(n.dial))}, d.opts...), opts...)
}

// locks starts a server in memory and returns what makes locks on it.
func (d dialect) locks(t *testing.T, opts ...Option) (*network, func(t *testing.T, key string) *Semaphore) {
	t.Helper()
	n, opts := d.start(t, opts...)
	return n, func(t *testing.T, key string) *Semaphore {
		t.Helper()
		s, err := NewSemaphore(key, 1, opts...)
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

// eachDialect runs f in a bubble for each dialect.
func eachDialect(t *testing.T, f func(t *testing.T, d dialect)) {
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, d) })
		})
	}
}

var errEnough = errors.New("enough")

// waysToGiveUp start a claim that cannot be had yet and give it up after a time. They
// return whether somebody was told that he has the slot before that.
var waysToGiveUp = map[string]func(t *testing.T, s *Semaphore, after time.Duration) bool{
	"cancelled context": func(t *testing.T, s *Semaphore, after time.Duration) bool {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(after, func() { cancel(errEnough) })
		ok, err := s.Acquire(ctx)
		if !ok {
			require.ErrorIs(t, err, errEnough)
		}
		return ok
	},
	"timeout of WaitFor": func(t *testing.T, s *Semaphore, after time.Duration) bool {
		start := time.Now()
		_, err := s.Enqueue(t.Context())
		require.NoError(t, err)
		ok, err := s.WaitFor(t.Context(), max(after-time.Since(start), 1))
		require.NoError(t, err)
		return ok
	},
	"Close while a call waits": func(t *testing.T, s *Semaphore, after time.Duration) bool {
		closed := make(chan error, 1)
		time.AfterFunc(after, func() { closed <- s.Close() })
		ok, err := s.Acquire(t.Context())
		if !ok {
			require.ErrorIs(t, err, ErrClosed)
		}
		require.NoError(t, <-closed)
		return ok
	},
	"Close of a place": func(t *testing.T, s *Semaphore, after time.Duration) bool {
		start := time.Now()
		status, err := s.Enqueue(t.Context())
		require.NoError(t, err)
		time.Sleep(after - time.Since(start))
		require.NoError(t, s.Close())
		return status == Acquired // on a machine so slow that the other had released before
	},
	"Release of a place": func(t *testing.T, s *Semaphore, after time.Duration) bool {
		start := time.Now()
		_, err := s.Enqueue(t.Context())
		require.NoError(t, err)
		time.Sleep(after - time.Since(start))
		require.NoError(t, s.Release())
		return false
	},
	"Release while a call waits": func(t *testing.T, s *Semaphore, after time.Duration) bool {
		released := make(chan error, 1)
		time.AfterFunc(after, func() { released <- s.Release() })
		ok, err := s.Acquire(t.Context())
		if !ok {
			require.ErrorIs(t, err, ErrClosed)
		}
		require.NoError(t, <-released)
		return ok
	},
	"Force of another goroutine": func(t *testing.T, s *Semaphore, after time.Duration) bool {
		forced := make(chan error, 1)
		time.AfterFunc(after, func() {
			_, err := s.Enqueue(context.Background(), Force())
			forced <- errors.Join(err, s.Release())
		})
		ok, err := s.Acquire(t.Context())
		if !ok {
			require.ErrorIs(t, err, ErrClosed)
		}
		require.NoError(t, <-forced)
		return ok
	},
}

// One holds the slot, another waits and gives up at about the moment at which the
// first releases: at each millisecond of the time that messages are under way.
func TestAClaimThatIsGivenUpAtTheGrantKeepsNoSlot(t *testing.T) {
	const delay = 10 * time.Millisecond // each way
	for name, giveUp := range waysToGiveUp {
		t.Run(name, func(t *testing.T) {
			eachDialect(t, func(t *testing.T, d dialect) {
				n, lock := d.locks(t, WithLease(30*time.Second))
				n.set(func() { n.delay = delay })
				given := 0
				for offset := -2 * delay; offset <= 4*delay; offset += time.Millisecond {
					key := fmt.Sprint("k", offset)
					a, b, c := lock(t, key), lock(t, key), lock(t, key)
					mustAcquire(t, a.holder)
					const after = 200 * time.Millisecond
					released := make(chan error, 1)
					time.AfterFunc(after+offset, func() { released <- a.Release() })
					told := giveUp(t, b, after)
					require.NoError(t, <-released)
					if told {
						continue
					}
					given++
					start := time.Now()
					mustAcquire(t, c.holder)
					// A dial with its greeting and the claim take three times there and back.
					require.LessOrEqual(t, time.Since(start)-6*delay, 40*time.Millisecond, offset)
					require.NoError(t, c.Release())
				}
				require.Greater(t, given, 20)
			})
		})
	}
}

func TestAClaimThatIsGivenUpKeepsNoSlotOfAStrictProgram(t *testing.T) {
	programs(t, func(t *testing.T, path string) {
		addr, _ := lockserver.Start(t, path, "--auto-release-on-disconnect=false")
		for way, giveUp := range waysToGiveUp {
			t.Run(way, func(t *testing.T) {
				for i := range 20 {
					lock := func() *Semaphore {
						s, err := NewSemaphore(fmt.Sprint(name(t), i), 1, WithServers(addr), WithStrict(), WithLease(30*time.Second))
						require.NoError(t, err)
						t.Cleanup(func() { _ = s.Close() })
						return s
					}
					a, b, c := lock(), lock(), lock()
					mustAcquire(t, a.holder)
					const after = 20 * time.Millisecond
					released := make(chan error, 1)
					time.AfterFunc(after+time.Duration(i-10)*100*time.Microsecond, func() { released <- a.Release() })
					told := giveUp(t, b, after)
					require.NoError(t, <-released)
					if !told {
						mustAcquire(t, c.holder) // within its timeout of 10 s: the lease is longer
						require.NoError(t, c.Release())
					}
				}
			})
		}
	})
}

// waysToGiveUpASlot claim a slot that cannot be had yet of a source and give the claim
// up after a time. They return whether somebody was told that he has the slot before
// that.
var waysToGiveUpASlot = map[string]func(t *testing.T, src *Source, after time.Duration) bool{
	"cancelled context": func(t *testing.T, src *Source, after time.Duration) bool {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(after, func() { cancel(errEnough) })
		_, err := acquire(ctx, src)
		return gotIt(t, err, errEnough)
	},
	"Close of the ticket": func(t *testing.T, src *Source, after time.Duration) bool {
		start := time.Now()
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		time.Sleep(after - time.Since(start))
		require.NoError(t, ticket.Close())
		return false
	},
	"Close of the ticket while a call waits": func(t *testing.T, src *Source, after time.Duration) bool {
		start := time.Now()
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		time.AfterFunc(after-time.Since(start), func() { _ = ticket.Close() })
		_, err = ticket.Wait(t.Context())
		return gotIt(t, err, ErrClosed)
	},
	"Close of the source": func(t *testing.T, src *Source, after time.Duration) bool {
		start := time.Now()
		_, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		time.Sleep(after - time.Since(start))
		closeSoon(t, src)
		return false
	},
	"Close of the source while a call waits": func(t *testing.T, src *Source, after time.Duration) bool {
		closed := make(chan struct{})
		time.AfterFunc(after, func() {
			defer close(closed)
			closeSoon(t, src)
		})
		_, err := acquire(t.Context(), src)
		<-closed
		return gotIt(t, err, ErrClosed)
	},
	"Leave of a place": func(t *testing.T, src *Source, after time.Duration) bool {
		l, place := join(t, src)
		time.Sleep(after)
		place.Leave()
		return gotIt(t, l.outcome(), ErrClosed)
	},
	"Close of the source while a place is kept": func(t *testing.T, src *Source, after time.Duration) bool {
		l, _ := join(t, src)
		time.Sleep(after)
		closeSoon(t, src)
		return gotIt(t, l.outcome(), ErrClosed)
	},
}

// gotIt reports whether a claim ended with a slot: if not, it ended with err.
func gotIt(t *testing.T, got, err error) bool {
	t.Helper()
	if got != nil {
		require.ErrorIs(t, got, err)
	}
	return got == nil
}

// closeSoon closes a source. That it took more than a second would be an error.
func closeSoon(t *testing.T, src *Source) {
	t.Helper()
	require.NoError(t, src.Close(context.Background()))
}

// The same for a source: one holds the slot, another waits and gives up, and a third
// must not wait for a lease.
func TestAClaimOfASourceThatIsGivenUpAtTheGrantKeepsNoSlot(t *testing.T) {
	const delay = 10 * time.Millisecond // each way
	for name, giveUp := range waysToGiveUpASlot {
		t.Run(name, func(t *testing.T) {
			eachDialect(t, func(t *testing.T, d dialect) {
				n, opts := d.start(t, WithLease(30*time.Second))
				n.set(func() { n.delay = delay })
				given := 0
				for offset := -2 * delay; offset <= 4*delay; offset += time.Millisecond {
					source := func() *Source {
						src, err := NewSource(slot.Fixed(fmt.Sprint("k", offset), 1), opts...)
						require.NoError(t, err)
						t.Cleanup(func() { _ = src.Close(context.Background()) })
						return src
					}
					a, b, c := source(), source(), source()
					first, err := acquire(t.Context(), a)
					require.NoError(t, err)
					const after = 200 * time.Millisecond
					time.AfterFunc(after+offset, func() { _ = first.Release() })
					if giveUp(t, b, after) {
						continue
					}
					given++
					time.Sleep(max(0, offset)) // Close of a source need not wait for the release
					start := time.Now()
					_, err = acquire(t.Context(), c)
					require.NoError(t, err)
					// A dial with its greeting and the claim take four times there and back.
					require.LessOrEqual(t, time.Since(start)-8*delay, 40*time.Millisecond, offset)
				}
				require.Greater(t, given, 15)
			})
		})
	}
}

func TestAClaimOfASourceThatIsGivenUpKeepsNoSlotOfAStrictProgram(t *testing.T) {
	programs(t, func(t *testing.T, path string) {
		addr, _ := lockserver.Start(t, path, "--auto-release-on-disconnect=false")
		for way, giveUp := range waysToGiveUpASlot {
			t.Run(way, func(t *testing.T) {
				for i := range 10 {
					source := func() *Source {
						src, err := NewSource(slot.Fixed(fmt.Sprint(name(t), i), 1), WithServers(addr), WithStrict(), WithLease(30*time.Second))
						require.NoError(t, err)
						t.Cleanup(func() { _ = src.Close(context.Background()) })
						return src
					}
					a, b, c := source(), source(), source()
					first, err := acquire(t.Context(), a)
					require.NoError(t, err)
					const after = 20 * time.Millisecond
					released := make(chan error, 1)
					time.AfterFunc(after+time.Duration(i-5)*200*time.Microsecond, func() { released <- first.Release() })
					told := giveUp(t, b, after)
					require.NoError(t, <-released)
					if !told {
						ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // the lease is longer
						_, err := acquire(ctx, c)
						cancel()
						require.NoError(t, err)
					}
				}
			})
		}
	})
}
