package dflockd

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
	"github.com/berth-go/berth/slot"
)

// The grant comes at the moment at which one of two waits is cancelled, and the
// other one is told first.
func TestACancelledWaitLeavesTheSlotToTheOneThatWasTold(t *testing.T) {
	for range 100 {
		p := busy(t)
		s, err := NewSemaphore("k", 1, WithDialer(p.dial), WithLease(5*time.Second))
		require.NoError(t, err)
		_, err = s.Enqueue(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var waits sync.WaitGroup
		waits.Go(func() { _, _ = s.WaitFor(ctx, time.Minute) })
		cl := s.claim
		counted := func() bool {
			s.e.lock()
			defer s.e.unlock()
			return cl.calls.wait == 1 && cl.stage == stageWait
		}
		for !counted() {
			runtime.Gosched()
		}
		s.e.lock()
		cancel() // the call wakes up and waits for the endpoint's lock
		for range 100 {
			runtime.Gosched()
		}
		now := time.Now()
		tok, _ := wire.ParseToken([]byte(p.token()))
		require.NoError(t, cl.grant(wire.Reply{Status: wire.OK, Token: tok, Seconds: 5}, now, now))
		cl.take()
		s.e.unlock()
		waits.Wait()
		require.NoError(t, s.Context().Err())
		require.NoError(t, s.Close())
		p.reset()
	}
}

// The states that the code has names for are those that are drawn.
func TestDrawingsHaveEachState(t *testing.T) {
	drawing := func(file, from, to string) string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		_, after, ok := strings.Cut(string(text), from)
		require.True(t, ok)
		before, _, ok := strings.Cut(after, to)
		require.True(t, ok)
		return before
	}
	phases := drawing("doc.go", "# States of a Semaphore or Lock", "Acquire is Enqueue and Wait")
	for p := phaseIdle; int(p) < len(phaseNames); p++ {
		require.Regexp(t, `\b`+p.String()+`\b`, phases)
	}
	stages := drawing("state.go", "// stage is where a claim stands", "type stage")
	for s := stageConnect; int(s) < len(stageNames); s++ {
		require.Regexp(t, `\b`+s.String()+`\b`, stages)
	}
	handbacks := drawing("state.go", "// handback is how far", "type handback")
	for h := handbackKept; int(h) < len(handbackNames); h++ {
		require.Regexp(t, `\b`+h.String()+`\b`, handbacks)
	}
	require.Equal(t, "single try: line, waits", kindSingleTry.String()+": "+routeLine.String()+", "+ownerWaits.String())
}

// told is what a Semaphore says about itself.
type told struct {
	token, lease, fence, live bool
	cause                     error
}

func tell(s *Semaphore) told {
	return told{s.Token() != "", s.Lease() != 0, s.Fence() != 0, s.Context().Err() == nil, context.Cause(s.Context())}
}

// In each phase Token, Lease, Fence and Context say the same.
func TestPropertiesAgreeInEachPhase(t *testing.T) {
	lost := func(t *testing.T, s *Semaphore, n *network) {
		mustAcquire(t, s.holder)
		n.set(func() { n.down = errReset })
		n.reset()
		time.Sleep(40 * time.Second)
	}
	for _, tc := range []struct {
		phase phase
		bring func(t *testing.T, s, other *Semaphore, n *network)
		cause error
	}{
		{phaseIdle, func(t *testing.T, s, other *Semaphore, n *network) {}, ErrNotHeld},
		{phaseOpening, func(t *testing.T, s, other *Semaphore, n *network) {
			n.set(func() { n.hang = true })
			go func() { _, _ = s.Enqueue(context.Background()) }()
		}, ErrNotHeld},
		{phaseQueued, func(t *testing.T, s, other *Semaphore, n *network) {
			mustAcquire(t, other.holder)
			_, err := s.Enqueue(t.Context())
			require.NoError(t, err)
		}, ErrNotHeld},
		{phaseQueued, func(t *testing.T, s, other *Semaphore, n *network) { // granted, and nobody was told
			mustAcquire(t, other.holder)
			_, err := s.Enqueue(t.Context())
			require.NoError(t, err)
			require.NoError(t, other.Release())
			time.Sleep(time.Minute)
		}, ErrNotHeld},
		{phaseWaiting, func(t *testing.T, s, other *Semaphore, n *network) {
			mustAcquire(t, other.holder)
			go func() { _, _ = s.Acquire(context.Background()) }()
		}, ErrNotHeld},
		{phaseHeld, func(t *testing.T, s, other *Semaphore, n *network) { mustAcquire(t, s.holder) }, nil},
		{phaseReleasing, func(t *testing.T, s, other *Semaphore, n *network) {
			mustAcquire(t, s.holder)
			n.set(func() { n.frozen = true })
			go func() { _ = s.Release() }()
		}, slot.ErrReleased},
		{phaseLost, func(t *testing.T, s, other *Semaphore, n *network) { lost(t, s, n) }, slot.ErrLost},
		{phaseClosed, func(t *testing.T, s, other *Semaphore, n *network) {
			mustAcquire(t, s.holder)
			require.NoError(t, s.Release())
		}, slot.ErrReleased},
		{phaseClosed, func(t *testing.T, s, other *Semaphore, n *network) {
			mustAcquire(t, s.holder)
			require.NoError(t, s.Close())
		}, ErrClosed},
		{phaseClosed, func(t *testing.T, s, other *Semaphore, n *network) {
			mustAcquire(t, other.holder)
			_, err := s.Enqueue(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.Close())
		}, ErrNotHeld},
	} {
		t.Run(tc.phase.String(), func(t *testing.T) {
			eachDialect(t, func(t *testing.T, d dialect) {
				n, lock := d.locks(t, WithLease(20*time.Second), WithFence(), WithConnectTimeout(time.Second))
				s, other := lock(t, "k"), lock(t, "k")
				tc.bring(t, s, other, n)
				synctest.Wait()
				s.e.lock()
				require.Equal(t, tc.phase, s.claim.phase(), s.claim.phase())
				s.e.unlock()
				held := tc.phase == phaseHeld
				got := tell(s)
				require.Equal(t, told{held, held, held, held, got.cause}, got)
				if !held {
					require.ErrorIs(t, got.cause, tc.cause)
				}
				require.Equal(t, "k", s.Key())
				require.Equal(t, 1, s.Limit())
				n.heal()
			})
		})
	}
}

func TestWaitForZeroIsTrueOnceTheOtherHasReleased(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		n, lock := d.locks(t)
		a, b := lock(t, "k"), lock(t, "k")
		for _, delay := range []time.Duration{0, 30 * time.Millisecond} {
			n.set(func() { n.delay = delay })
			mustAcquire(t, a.holder)
			_, err := b.Enqueue(t.Context())
			require.NoError(t, err)
			require.NoError(t, a.Release())
			ok, err := b.WaitFor(t.Context(), 0)
			require.NoError(t, err)
			require.True(t, ok)
			_, err = a.Enqueue(t.Context())
			require.NoError(t, err)
			ok, err = a.WaitFor(t.Context(), 0)
			require.NoError(t, err)
			require.False(t, ok, "it is held")
			_, err = a.Wait(t.Context())
			require.ErrorIs(t, err, ErrClosed, "the place was given up")
			require.NoError(t, b.Release())
		}
	})
}

func TestWaitForZeroIsTrueOnceTheOtherHasReleasedOnPrograms(t *testing.T) {
	programs(t, func(t *testing.T, path string) {
		addr, _ := lockserver.Start(t, path)
		a, err := NewLock("k", WithServers(addr))
		require.NoError(t, err)
		b, err := NewLock("k", WithServers(addr))
		require.NoError(t, err)
		for range 200 {
			mustAcquire(t, a.holder)
			status, err := b.Enqueue(t.Context())
			require.NoError(t, err)
			require.Equal(t, Queued, status)
			require.NoError(t, a.Release())
			ok, err := b.WaitFor(t.Context(), 0)
			require.NoError(t, err)
			require.True(t, ok)
			require.NoError(t, b.Release())
		}
	})
}

func TestWaitForZeroLeavesThePlaceToAnotherThatWaits(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		_, lock := d.locks(t)
		a, b := lock(t, "k"), lock(t, "k")
		mustAcquire(t, a.holder)
		_, err := b.Enqueue(t.Context())
		require.NoError(t, err)
		got := make(chan bool)
		go func() {
			ok, _ := b.WaitFor(context.Background(), 5*time.Second)
			got <- ok
		}()
		synctest.Wait()
		ok, err := b.WaitFor(t.Context(), 0)
		require.NoError(t, err)
		require.False(t, ok)
		time.Sleep(time.Second)
		require.NoError(t, a.Release())
		require.True(t, <-got)
	})
}

// Whoever has released after another's wait was over finds the slot free.
func TestAPlaceIsGoneWhenItsWaitIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, lock := dialects()[3].locks(t, WithAcquireTimeout(time.Second))
		a, b, c := lock(t, "k"), lock(t, "k"), lock(t, "k")
		mustAcquire(t, a.holder)
		n.set(func() { n.delay = 20 * time.Millisecond })
		start := time.Now()
		mustNotAcquire(t, b.holder)
		require.Equal(t, 1040*time.Millisecond, time.Since(start))
		n.set(func() { n.delay = 0 })
		require.NoError(t, a.Release())
		_, err := c.Enqueue(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, c.Token(), "at once")
	})
}

// A wait that is answered because of its own time is asked again for one that
// joined it and has more.
func TestALongerWaitOutlivesAShorterOne(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		_, lock := d.locks(t)
		a, b := lock(t, "k"), lock(t, "k")
		mustAcquire(t, a.holder)
		_, err := b.Enqueue(t.Context())
		require.NoError(t, err)
		start := time.Now()
		got := make(chan bool, 1)
		type end struct {
			ok    bool
			err   error
			after time.Duration
		}
		shorter := make(chan end, 1)
		go func() {
			ok, err := b.WaitFor(context.Background(), 500*time.Millisecond)
			shorter <- end{ok, err, time.Since(start)}
		}()
		synctest.Wait()
		go func() {
			ok, _ := b.WaitFor(context.Background(), time.Minute)
			got <- ok
		}()
		time.Sleep(20 * time.Second)
		require.NoError(t, a.Release())
		require.True(t, <-got)
		require.Equal(t, 20*time.Second, time.Since(start))
		require.Equal(t, end{false, nil, 500 * time.Millisecond}, <-shorter)
	})
}

func TestAPlaceThatNobodyWaitsForBecomesNoSlotThatIsRenewed(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		_, lock := d.locks(t, WithLease(2*time.Second), WithAcquireTimeout(5*time.Second))
		a, b, c := lock(t, "k"), lock(t, "k"), lock(t, "k")
		mustAcquire(t, a.holder)
		_, err := b.Enqueue(t.Context())
		require.NoError(t, err)
		require.NoError(t, a.Release())
		start := time.Now()
		mustAcquire(t, c.holder)
		require.LessOrEqual(t, time.Since(start), 3*time.Second, "its lease has ended")
		ok, err := b.Wait(t.Context())
		require.False(t, ok)
		require.ErrorIs(t, err, slot.ErrUnavailable, "the place is worth nothing any more")
		require.NoError(t, c.Context().Err())
	})
}

func TestAPlaceThatNobodyWaitsForIsKept(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		_, lock := d.locks(t, WithLease(5*time.Second))
		a, b := lock(t, "k"), lock(t, "k")
		mustAcquire(t, a.holder)
		_, err := b.Enqueue(t.Context())
		require.NoError(t, err)
		time.Sleep(10 * time.Minute) // the server cuts a connection that is silent for 23 s
		time.AfterFunc(time.Second, func() { _ = a.Release() })
		ok, err := b.Wait(t.Context())
		require.NoError(t, err)
		require.True(t, ok)
		time.Sleep(time.Minute)
		require.NoError(t, b.Context().Err())
	})
}

func TestAPlaceThatIsLostWithItsConnectionIsSaidToBe(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		n, lock := d.locks(t)
		a, b := lock(t, "k"), lock(t, "k")
		mustAcquire(t, a.holder)
		_, err := b.Enqueue(t.Context())
		require.NoError(t, err)
		n.reset()
		synctest.Wait()
		_, err = b.Wait(t.Context())
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.ErrorIs(t, err, errReset)
	})
}

func TestOnesOwnCloseOrForceIsNoLoss(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		var losses []string
		_, lock := d.locks(t, WithLease(time.Second), WithOnLost(func(key, token string) { losses = append(losses, key) }))
		for i, end := range []func(s *Semaphore){
			func(s *Semaphore) { require.NoError(t, s.Close()) },
			func(s *Semaphore) { _, _ = s.Enqueue(t.Context(), Force()) },
		} {
			s := lock(t, string(rune('a'+i)))
			mustAcquire(t, s.holder)
			ctx := s.Context()
			end(s)
			require.ErrorIs(t, context.Cause(ctx), ErrClosed)
			require.ErrorIs(t, context.Cause(ctx), slot.ErrClosed)
			require.NotErrorIs(t, context.Cause(ctx), slot.ErrLost)
			require.NoError(t, s.Close())
			require.ErrorIs(t, s.Release(), ErrClosed)
			require.NotErrorIs(t, s.Release(), slot.ErrLost)
		}
		time.Sleep(time.Minute)
		require.Empty(t, losses)
	})
}

// What hangs of an old claim takes nothing from the next one.
func TestAClaimDoesNotShareTheFateOfTheOneBefore(t *testing.T) {
	for name, end := range map[string]func(s *Semaphore){
		"Close":   func(s *Semaphore) { _ = s.Close() },
		"Release": func(s *Semaphore) { _ = s.Release() },
	} {
		for _, hangs := range []wire.Command{wire.SemEnqueue, wire.SemRelease} {
			synctest.Test(t, func(t *testing.T) {
				var p *peer
				p = newPeer(t, func(from int, r wire.Request) string {
					if from == 0 && r.Command == hangs {
						return ""
					}
					return p.grants(r)
				})
				s, err := NewSemaphore("k", 1, WithDialer(p.dial), WithLease(20*time.Second))
				require.NoError(t, err)
				go func() { _, _ = s.Acquire(context.Background()) }()
				synctest.Wait()
				go end(s)
				synctest.Wait()
				mustAcquire(t, s.holder)
				ctx := s.Context()
				time.Sleep(time.Minute)
				require.NoError(t, ctx.Err(), "%s while %v hangs", name, hangs)
				require.NoError(t, s.Release())
				p.reset()
			})
		}
	}
}

func TestCloseOfASlotWhoseConnectionBrokeEndsItAndItsRescue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, lock := dialects()[3].locks(t, WithLease(20*time.Second))
		s := lock(t, "k")
		mustAcquire(t, s.holder)
		ctx := s.Context()
		time.Sleep(2 * time.Second)
		n.set(func() { n.down = errReset })
		n.reset()
		synctest.Wait()
		require.NoError(t, ctx.Err(), "a strict server keeps it")
		start := time.Now()
		require.NoError(t, s.Close())
		require.Zero(t, time.Since(start))
		require.ErrorIs(t, context.Cause(ctx), ErrClosed)
		synctest.Wait()
		before, _ := n.counts()
		time.Sleep(time.Minute)
		after, _ := n.counts()
		require.LessOrEqual(t, after, before+1, "nothing is rescued any more")
	})
}

func TestCloseFromTheDialerReturnsWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *Semaphore
		var took time.Duration
		s, err := NewSemaphore("k", 1, WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
			start := time.Now()
			_ = s.Close()
			took = time.Since(start)
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		require.NoError(t, err)
		_, err = s.Acquire(t.Context())
		require.ErrorIs(t, err, ErrClosed)
		time.Sleep(time.Second)
		synctest.Wait()
		require.LessOrEqual(t, took, time.Second)
		require.NoError(t, s.Close())
	})
}

func TestContextOfAnIdleLockCanBeAskedForWhileItIsAcquired(t *testing.T) {
	l, err := NewLock("k", WithDialer(generous(t).dial))
	require.NoError(t, err)
	stop := make(chan struct{})
	var page sync.WaitGroup
	page.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = l.Context().Err()
			}
		}
	})
	for range 500 {
		mustAcquire(t, l.holder)
		require.NoError(t, l.Release())
	}
	close(stop)
	page.Wait()
}

func TestWithLockReturnsTheErrorOfItsFunctionAsItIs(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		_, lock := d.locks(t)
		s := lock(t, "k")
		for _, want := range []error{nil, io.EOF, errOutcome} {
			err := s.WithLock(t.Context(), func(context.Context) error { return want })
			require.True(t, err == want, "%v", err)
		}
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "v")
		var after context.Context
		require.NoError(t, s.WithLock(ctx, func(ctx context.Context) error {
			require.Equal(t, "v", ctx.Value(key{}))
			after = ctx
			return nil
		}))
		require.ErrorIs(t, after.Err(), context.Canceled)
		require.Equal(t, "v", context.WithoutCancel(after).Value(key{}))
		require.ErrorContains(t, s.WithLock(t.Context(), nil), "function")
	})
}

// When the call that ends the slot returns, the context of the function has ended,
// as have contexts made from it and Done channels that were asked for before.
func TestContextOfWithLockEndsBeforeTheCallThatEndsTheSlotReturns(t *testing.T) {
	ends := map[string]func(s *Semaphore){
		"Release": func(s *Semaphore) { require.NoError(t, s.Release()) },
		"Close":   func(s *Semaphore) { require.NoError(t, s.Close()) },
		"loss": func(s *Semaphore) {
			s.e.lock()
			defer s.e.unlock()
			s.claim.lose(errNotOurs, time.Now())
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s, err := NewSemaphore("k", 1, WithDialer(generous(t).dial))
			require.NoError(t, err)
			for range 100 {
				_ = s.WithLock(t.Context(), func(ctx context.Context) error {
					child, cancel := context.WithCancel(ctx)
					defer cancel()
					grandchild, cancel := context.WithTimeout(context.WithValue(child, errOutcome, 1), time.Hour)
					defer cancel()
					done := ctx.Done()
					end(s)
					require.Error(t, grandchild.Err())
					require.Error(t, child.Err())
					select {
					case <-done:
					default:
						require.Fail(t, "the Done channel is open")
					}
					require.Error(t, ctx.Err())
					require.Equal(t, context.Cause(s.Context()), context.Cause(ctx))
					return nil
				})
			}
			require.NoError(t, s.Close())
		})
	}
}

func TestContextOfWithLockEndsWithItsCaller(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		_, lock := d.locks(t)
		s := lock(t, "k")
		ctx, cancel := context.WithCancelCause(t.Context())
		err := s.WithLock(ctx, func(ctx context.Context) error {
			child, stop := context.WithCancel(ctx)
			defer stop()
			cancel(errEnough)
			require.Error(t, ctx.Err())
			<-child.Done()
			require.ErrorIs(t, context.Cause(child), errEnough)
			return context.Cause(ctx)
		})
		require.True(t, err == errEnough)
	})
}

func TestWithLockReleasesItsOwnSlotAndNoOther(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		_, lock := d.locks(t, WithLease(2*time.Second))
		s := lock(t, "k")
		err := s.WithLock(t.Context(), func(ctx context.Context) error {
			ok, err := s.Acquire(t.Context(), Force())
			require.NoError(t, err)
			require.True(t, ok)
			require.ErrorIs(t, context.Cause(ctx), ErrClosed)
			return io.EOF
		})
		require.ErrorIs(t, err, io.EOF)
		require.ErrorIs(t, err, ErrClosed, "the slot was taken away by Force")
		require.NoError(t, s.Context().Err())
		require.NoError(t, s.Release())
	})
}

func TestRenewalsAreNeverCloserThanATenthOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		l, err := NewLock("k", WithDialer(p.dial), WithLease(20*time.Second), WithRenewRatio(0.00001))
		require.NoError(t, err)
		mustAcquire(t, l.holder)
		time.Sleep(10 * time.Second)
		require.NoError(t, l.Context().Err())
		require.LessOrEqual(t, p.count(wire.Renew), 100)
		require.GreaterOrEqual(t, p.count(wire.Renew), 90)
		require.NoError(t, l.Release())
	})
}

func TestAcquireCanWaitOutAnOutage(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		n, lock := d.locks(t, WithAcquireTimeout(30*time.Second), WithWaitForServer())
		s := lock(t, "k")
		n.set(func() { n.down = errReset })
		start := time.Now()
		time.AfterFunc(12*time.Second, func() { n.set(func() { n.down = nil }) })
		mustAcquire(t, s.holder)
		require.InDelta(t, 15, time.Since(start).Seconds(), 3)
		require.NoError(t, s.Release())
		dials, _ := n.counts()
		require.Less(t, dials, 30, "no storm")

		n.set(func() { n.down = errReset })
		start = time.Now()
		ok, err := s.Acquire(t.Context())
		require.False(t, ok)
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.Equal(t, 30*time.Second, time.Since(start))

		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(errEnough) })
		_, err = s.Acquire(ctx)
		require.ErrorIs(t, err, errEnough)
	})
}

func TestAcquireThatWaitsForTheServerTakesANewPlaceForALostOne(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		n, lock := d.locks(t, WithAcquireTimeout(30*time.Second), WithWaitForServer(), WithLease(5*time.Second))
		a, b := lock(t, "k"), lock(t, "k")
		mustAcquire(t, a.holder)
		time.AfterFunc(3*time.Second, n.reset)
		time.AfterFunc(10*time.Second, func() { _ = a.Release() }) // a strict server kept it until here
		mustAcquire(t, b.holder)
		require.NoError(t, b.Release())
	})
}

func TestAcquireReturnsAtOnceInAnOutageByDefault(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		n, lock := d.locks(t)
		s := lock(t, "k")
		n.set(func() { n.down = errReset })
		start := time.Now()
		_, err := s.Acquire(t.Context())
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.Zero(t, time.Since(start))
	})
}

func TestOptionsOfOneCallAreChecked(t *testing.T) {
	l, err := NewLock("k", WithDialer(generous(t).dial))
	require.NoError(t, err)
	_, err = l.Acquire(t.Context(), nil)
	require.ErrorContains(t, err, "nil")
	_, err = l.Enqueue(t.Context(), nil)
	require.ErrorContains(t, err, "nil")
	_, err = l.WaitFor(t.Context(), -1)
	require.ErrorContains(t, err, "negative")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	mustAcquire(t, l.holder)
	_, err = l.Acquire(ended, Force())
	require.True(t, errors.Is(err, context.Canceled))
	require.NoError(t, l.Context().Err(), "nothing was forced")
	require.NoError(t, l.Release())
}
