package dflockd

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// This file has Semaphores whose methods are called at random, from many
// goroutines at once.

// arena is a server in memory and Semaphores of one key, behind a network that can
// break.
type arena struct {
	t     *testing.T
	srv   *server.Server
	net   *faultnet.Net
	sems  []*Semaphore
	limit int
	lease time.Duration
}

const arenaMachine = "m"

func newArena(t *testing.T, d dialect, limit, sems int, r *rand.Rand) *arena {
	srv, err := server.Start(context.Background(), server.WithInMemory(), server.WithAutoRelease(!d.strict))
	require.NoError(t, err)
	a := &arena{t: t, srv: srv, limit: limit, lease: 4 * time.Second}
	a.net = faultnet.New(func(ctx context.Context) (net.Conn, error) { return srv.Dial(ctx) })
	for range sems {
		opts := append([]Option{
			WithDialer(d.dial(a.net.Dialer(arenaMachine))), WithLease(a.lease),
			WithAcquireTimeout(time.Duration(r.IntN(2000)) * time.Millisecond),
		}, d.opts...)
		if r.IntN(2) == 0 {
			opts = append(opts, WithWaitForServer())
		}
		s, err := NewSemaphore("k", limit, opts...)
		require.NoError(t, err)
		a.sems = append(a.sems, s)
	}
	return a
}

// busy returns how many slots the server has given away, and how many wait.
func (a *arena) busy() (holders, waiters int) {
	st := a.srv.Stats()
	for _, s := range st.Semaphores {
		holders, waiters = holders+int(s.Holders), waiters+s.Waiters
	}
	for _, l := range st.Locks {
		holders, waiters = holders+1, waiters+l.Waiters
	}
	return holders, waiters
}

// live returns how many Semaphores have a slot whose context has not ended.
func (a *arena) live() int {
	n := 0
	for _, s := range a.sems {
		if s.Context().Err() == nil {
			n++
		}
	}
	return n
}

// close closes the Semaphores and checks that nothing is left behind once the
// leases of what was held have ended.
func (a *arena) close() {
	for _, s := range a.sems {
		start := time.Now()
		require.NoError(a.t, s.Close())
		require.LessOrEqual(a.t, time.Since(start), time.Second)
		require.Error(a.t, s.Context().Err())
	}
	time.Sleep(a.lease + 6*time.Second)
	holders, waiters := a.busy()
	require.Zero(a.t, holders, "a slot was left behind")
	require.Zero(a.t, waiters, "a place was left behind")
	require.Zero(a.t, a.net.Connections(faultnet.Everybody), "a connection was left behind")
	a.net.Close()
	a.srv.Close()
}

// expected reports whether a call on a Semaphore that others use too may fail so.
func expected(err error) bool {
	for _, ok := range []error{
		nil, ErrAlreadyConnected, ErrClosed, ErrTimeout, slot.ErrUnavailable, slot.ErrLost, slot.ErrReleased,
		context.Canceled, context.DeadlineExceeded, errOutcome,
	} {
		if errors.Is(err, ok) {
			return true
		}
	}
	return false
}

var errOutcome = errors.New("the function's own")

// call calls a method that r draws and returns its error.
func call(s *Semaphore, r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(1500))*time.Millisecond)
	defer cancel()
	var err error
	switch r.IntN(12) {
	case 0, 1:
		_, err = s.Acquire(ctx)
	case 2:
		_, err = s.Acquire(ctx, Force())
	case 3:
		_, err = s.Enqueue(ctx)
	case 4:
		_, err = s.Wait(ctx)
	case 5:
		_, err = s.WaitFor(ctx, time.Duration(r.IntN(1000))*time.Millisecond)
	case 6:
		_, err = s.WaitFor(ctx, 0)
	case 7, 8:
		err = s.Release()
	case 9:
		err = s.Close()
	case 10:
		err = s.WithLock(ctx, func(ctx context.Context) error {
			pause(ctx, time.Duration(r.IntN(200))*time.Millisecond)
			return errOutcome
		})
	case 11:
		_, _, _ = s.Token(), s.Lease(), s.Fence()
		_, _ = s.Key(), s.Limit()
		err = context.Cause(s.Context())
		if errors.Is(err, ErrNotHeld) {
			err = nil
		}
	}
	return err
}

func TestMethodsOfASemaphoreCanBeCalledAtOnce(t *testing.T) {
	seed := faultnet.Seed(t)
	for i, d := range dialects() {
		for _, broken := range []bool{false, true} {
			name := d.name
			if broken {
				name += ", over a broken network"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const limit, sems, callers, calls = 2, 4, 4, 150
					a := newArena(t, d, limit, sems, rand.New(rand.NewPCG(seed, uint64(1000*i))))
					ctx, done := context.WithCancel(t.Context())
					var watch, work sync.WaitGroup
					watch.Go(func() {
						for ctx.Err() == nil {
							if n := a.live(); n > limit && (d.strict || !broken) {
								t.Errorf("%d slots in use of %d", n, limit)
							}
							pause(ctx, 7*time.Millisecond)
						}
					})
					if broken {
						plan := faultnet.NewPlan(seed, time.Hour, 2*time.Second, []string{arenaMachine}, []faultnet.Kind{
							faultnet.Partition, faultnet.LostUp, faultnet.LostDown, faultnet.Freeze,
							faultnet.Slow, faultnet.Split, faultnet.Reset, faultnet.HalfClose,
						})
						watch.Go(func() { _ = plan.Run(ctx, a.net, nil) })
					}
					for w := range sems * callers {
						r := rand.New(rand.NewPCG(seed, uint64(1000*i+w+1)))
						work.Go(func() {
							for range calls {
								if err := call(a.sems[w%sems], r); !expected(err) {
									t.Errorf("unexpected: %v", err)
								}
								pause(ctx, time.Duration(r.IntN(20))*time.Millisecond)
							}
						})
					}
					work.Wait()
					done()
					watch.Wait()
					a.close()
				})
			})
		}
	}
}

// Many calls wait for one claim, for different times. Those who are told that they
// have the slot have it, whoever gave up before or gives up after; and if nobody is
// told, nothing is left.
func TestWaitsThatEndAtDifferentTimesTakeNothingFromEachOther(t *testing.T) {
	seed := faultnet.Seed(t)
	for i, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, uint64(i)))
				a := newArena(t, d, 1, 2, r)
				const delay = 3 * time.Millisecond // each way
				a.net.Set(arenaMachine, faultnet.Conditions{Delay: delay})
				holder, waiter := a.sems[0], a.sems[1]
				got, missed := 0, 0
				for range 150 {
					status, err := holder.Enqueue(t.Context())
					require.NoError(t, err)
					require.Equal(t, Acquired, status)
					status, err = waiter.Enqueue(t.Context())
					require.NoError(t, err)
					require.Equal(t, Queued, status)
					released := time.Duration(r.IntN(100)) * time.Millisecond
					span := func() time.Duration {
						if r.IntN(3) == 0 {
							return released + 2*delay // when the grant arrives
						}
						return time.Duration(1+r.IntN(100)) * time.Millisecond
					}
					told := make(chan bool, 8)
					for range 1 + r.IntN(5) {
						timeout, patience := span(), span()
						go func() {
							ctx, cancel := context.WithTimeout(context.Background(), patience)
							defer cancel()
							ok, err := waiter.WaitFor(ctx, timeout)
							if err != nil && !errors.Is(err, context.DeadlineExceeded) {
								t.Errorf("unexpected: %v", err)
							}
							told <- ok
						}()
					}
					time.Sleep(released)
					require.NoError(t, holder.Release())
					time.Sleep(200 * time.Millisecond) // longer than anybody waits
					has := false
					for len(told) > 0 {
						has = <-told || has
					}
					holders, waiters := a.busy()
					require.Zero(t, waiters)
					if has {
						got++
						require.NoError(t, waiter.Context().Err(), "somebody was told that he has it")
						require.EqualValues(t, 1, holders)
						require.NoError(t, waiter.Release())
					} else {
						missed++
						require.Empty(t, waiter.Token())
						require.Zero(t, holders, "nobody was told")
					}
				}
				require.Greater(t, got, 5)
				require.Greater(t, missed, 5)
				a.close()
			})
		})
	}
}

// A call that asks whether the slot is there gives the place up if it is not, maybe
// before the call that joined the line has looked.
func TestEnqueueHadAPlaceThoughAnotherCallGaveItUpAtOnce(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { enqueueBesideAsking(t, d) })
		})
	}
}

func enqueueBesideAsking(t *testing.T, d dialect) {
	a := newArena(t, d, 1, 2, rand.New(rand.NewPCG(1, 2)))
	ok, err := a.sems[0].Acquire(t.Context())
	require.NoError(t, err)
	require.True(t, ok)
	s := a.sems[1]
	for range 300 {
		var calls sync.WaitGroup
		calls.Go(func() {
			status, err := s.Enqueue(t.Context())
			if err != nil || status != Queued {
				t.Errorf("Enqueue: %v, %v", status, err)
			}
		})
		for range 3 {
			calls.Go(func() {
				if ok, err := s.WaitFor(t.Context(), 0); ok || err != nil && !errors.Is(err, ErrClosed) {
					t.Errorf("WaitFor: %v, %v", ok, err)
				}
			})
		}
		calls.Wait()
		_, _ = s.WaitFor(t.Context(), 0)
	}
	a.close()
}
