package dflockd

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

func TestNoSlotIsLostInAHundredThousandCancelsAtTheGrant(t *testing.T) {
	const limit = 4
	// A strict server and a long lease: a slot that is not released stays lost,
	// also when its connection closes.
	srv, ln := startServer(t, server.WithAutoRelease(false))
	n := newNetwork(ln.serve)
	src, err := NewSource(slot.Fixed("k", limit), WithDialer(n.dial), WithLease(time.Hour))
	require.NoError(t, err)
	cancelAtTheGrant(t, src, 100_000)
	claimAll(t, src, limit)
	require.NoError(t, src.Close(context.Background()))
	require.Empty(t, srv.Stats().Semaphores)
}

func TestNoSlotIsLostInCancelsAtTheGrantOfAnOriginalServer(t *testing.T) {
	const limit = 4
	l := newLedger(t, limit)
	src := newTestSource(t, l.peer, slot.Fixed("k", limit))
	cancelAtTheGrant(t, src, 20_000)
	require.LessOrEqual(t, l.peak(), limit)
	claimAll(t, src, limit)
}

// cancelAtTheGrant makes claims whose contexts end at about the time at which
// they are granted.
func cancelAtTheGrant(t *testing.T, src *Source, claims int) {
	t.Helper()
	const workers = 8
	seed := faultnet.Seed(t)
	var cancelled, granted atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for range claims / workers {
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan struct{})
				spins := r.IntN(60)
				go func() {
					defer close(done)
					for range spins {
						runtime.Gosched()
					}
					cancel()
				}()
				if s, err := acquire(ctx, src); err == nil {
					granted.Add(1)
					<-done
					if s.Context().Err() != nil {
						t.Error("a slot that was handed over depends on the context of its claim")
					}
					_ = s.Release()
				} else if errors.Is(err, context.Canceled) {
					cancelled.Add(1)
				} else {
					t.Error(err)
				}
				<-done
			}
		})
	}
	wg.Wait()
	t.Logf("%d granted, %d cancelled", granted.Load(), cancelled.Load())
	require.Positive(t, granted.Load())
	require.Positive(t, cancelled.Load())
}

// claimAll claims every slot, long before the lease of a lost one would end.
func claimAll(t *testing.T, src *Source, limit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	for range limit {
		s, err := acquire(ctx, src)
		require.NoError(t, err)
		defer s.Release()
	}
}

// acquire claims a slot and waits for it.
func acquire(ctx context.Context, src slot.Source) (slot.Slot, error) {
	ticket, err := src.Enqueue(ctx, "")
	if err != nil {
		return nil, err
	}
	return ticket.Wait(ctx)
}

func TestCancelDuringAClaimGivesTheGrantBack(t *testing.T) {
	for _, sent := range [][]wire.Command{{wire.SemLock}, {wire.SemEnqueue, wire.SemWait}} {
		synctest.Test(t, func(t *testing.T) {
			p := generous(t)
			src := newTestSource(t, p, slot.Fixed("k", 1))
			if len(sent) > 1 {
				contend(src)
			}
			require.NoError(t, src.Ping(t.Context()))
			p.set(func() { p.delay = time.Second })
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := src.Enqueue(ctx, "")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			time.Sleep(5 * time.Second)
			require.Equal(t, append(sent, wire.SemRelease), p.seen())
			require.Zero(t, load(src))
		})
	}
}

func TestCancelledWaitLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		s := claimNow(t, src, "")
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		_, err = ticket.Wait(ctx)
		require.ErrorIs(t, err, why)
		synctest.Wait()
		_, waiting := l.state()
		require.Zero(t, waiting)
		_, err = ticket.Wait(t.Context())
		require.Error(t, err)
		require.NoError(t, ticket.Close())
		require.NoError(t, s.Context().Err())
	})
}

func TestClosedTicketEndsItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		claimNow(t, src, "")
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		time.AfterFunc(time.Second, func() { _ = ticket.Close() })
		_, err = ticket.Wait(t.Context())
		require.ErrorIs(t, err, slot.ErrClosed)
		require.NoError(t, ticket.Close())
	})
}

func TestClosedTicketGivesBackASlotThatWasNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		require.NoError(t, ticket.Close())
		synctest.Wait()
		held, _ := l.state()
		require.Zero(t, held)
		_, ok := ticket.Slot()
		require.False(t, ok)

		ticket, err = src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		s, ok := ticket.Slot()
		require.True(t, ok)
		require.NoError(t, ticket.Close())
		synctest.Wait()
		require.NoError(t, s.Context().Err(), "a slot that was taken stays with its holder")
	})
}

func TestCancelWhileAGrantIsConfirmedGivesItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := busy(t)
		src := newTestSource(t, p, slot.Fixed("k", 1))
		ticket, err := src.Enqueue(t.Context(), "")
		require.NoError(t, err)
		time.Sleep(time.Second)
		p.set(func() { p.delay = 100 * time.Millisecond })
		p.say(p.last(wire.SemWait).from, "ok "+p.token()+" 5")
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err = ticket.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Second)
		require.Equal(t, 1, p.count(wire.SemRelease))
		require.Zero(t, load(src))
	})
}

func TestReleaseIsIdempotentAndEndsTheContextFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *peer
		var s slot.Slot
		p = newPeer(t, func(_ int, r wire.Request) string {
			if r.Command == wire.SemRelease {
				require.ErrorIs(t, context.Cause(s.Context()), slot.ErrReleased)
			}
			return p.grants(r)
		})
		src := newTestSource(t, p, slot.Fixed("k", 1))
		s = claimNow(t, src, "")
		ctx := s.Context()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { require.NoError(t, s.Release()) })
		}
		wg.Wait()
		require.ErrorIs(t, context.Cause(ctx), slot.ErrReleased)
		synctest.Wait()
		require.Equal(t, 1, p.count(wire.SemRelease))
	})
}

// A strict server that knows no tags keeps the place of a connection that was
// closed, and would grant it a slot that nobody gives back.
func TestCancelledWaitOnAStrictServerGivesItsSlotBackWhenItComes(t *testing.T) {
	for name, contended := range map[string]bool{"in line": false, "on its way into the line": true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger(t, 1)
			l.keeps = true
			src := newTestSource(t, l.peer, slot.Fixed("k", 1), WithStrict())
			s := claimNow(t, src, "")
			if contended {
				contend(src)
				l.set(func() { l.delay = 20 * time.Millisecond }) // se is sent after 40
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := acquire(ctx, src)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			time.Sleep(time.Second)
			held, waiting := l.state()
			require.Equal(t, 1, held, name)
			require.Equal(t, 1, waiting, name)
			require.NoError(t, s.Release())
			time.Sleep(time.Second)
			held, waiting = l.state()
			require.Zero(t, held, name)
			require.Zero(t, waiting, name)
			require.Zero(t, load(src), name)
		})
	}
}

func TestCloseDoesNotWaitForAPlaceThatIsKeptForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		src := newTestSource(t, l.peer, slot.Fixed("k", 1), WithStrict())
		s := claimNow(t, src, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := acquire(ctx, src)
		require.Error(t, err)
		start := time.Now()
		require.NoError(t, src.Close(t.Context()))
		require.Zero(t, time.Since(start))
		require.Error(t, s.Context().Err())
		synctest.Wait() // the server has seen that the connections are gone
		held, waiting := l.state()
		require.Zero(t, held+waiting)
	})
}

// A source that is closed gives back what is granted to its places on such a server,
// for a time: Close does not wait for it, and nothing is left behind in the end.
func TestClosedSourceGivesBackWhatItsPlacesAreGrantedForAMinute(t *testing.T) {
	for name, after := range map[string]time.Duration{"in time": stayTime - time.Second, "too late": stayTime + time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(t, 1)
				l.keeps = true
				other := newTestSource(t, l.peer, slot.Fixed("k", 1), WithStrict())
				s := claimNow(t, other, "")
				src := newTestSource(t, l.peer, slot.Fixed("k", 1), WithStrict())
				ended := claimLater(src)
				cancelled, cancel := context.WithCancel(t.Context())
				_, err := src.Enqueue(cancelled, "")
				require.NoError(t, err)
				cancel()
				synctest.Wait()
				for range 2 {
					start := time.Now()
					require.NoError(t, src.Close(context.Background()))
					require.LessOrEqual(t, time.Since(start), leaveTime)
				}
				soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				require.NoError(t, src.Close(soon), "nothing was cut")
				require.ErrorIs(t, ended(), slot.ErrClosed)
				time.Sleep(after)
				require.NoError(t, s.Release())
				synctest.Wait()
				held, waiting := l.state()
				require.Equal(t, after < stayTime, held+waiting == 0, "%d held, %d in line", held, waiting)
				require.Zero(t, conns(src))
			})
		})
	}
}

// One after the other takes longer than Close waits for a place that does not move.
func TestSlotsThatGoToPlacesOfTheSameSourceAreBackWhenCloseReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		l.keeps = true
		l.set(func() { l.delay = 30 * time.Millisecond })
		src := newTestSource(t, l.peer, slot.Fixed("k", 1), WithStrict())
		claimNow(t, src, "")
		for range 5 {
			_, err := src.Enqueue(t.Context(), "")
			require.NoError(t, err)
		}
		require.NoError(t, src.Close(context.Background()))
		held, waiting := l.state()
		require.Zero(t, held+waiting, "a process may end now")
	})
}
