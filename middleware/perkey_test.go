package middleware_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// made counts the middleware that is made for each key.
type made struct {
	mu    sync.Mutex
	times map[string]int
}

func (m *made) note(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.times == nil {
		m.times = map[string]int{}
	}
	m.times[key]++
}

func (m *made) of(key string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.times[key]
}

// plain is a newFor that makes middleware which does nothing.
func (m *made) plain(key string) pool.Middleware {
	m.note(key)
	return func(next pool.Job) pool.Job { return next }
}

func nothing(context.Context) error { return nil }

func TestEachKeyHasABreakerOfItsOwn(t *testing.T) {
	for kind, opts := range map[string][]pool.Option{"plain": nil, "slots": {pool.WithSlots(slot.NewLocalKeyed(1))}} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m made
				p := newPool(t, 2, append(opts, pool.Use(
					middleware.Retry(middleware.MaxAttempts(2, middleware.Constant(time.Second))),
					middleware.PerKey(func(key string) pool.Middleware {
						m.note(key)
						return middleware.CircuitBreaker(&fuse{threshold: 1, probes: 1, open: time.Hour}, middleware.OpenFor(time.Hour))
					}, 10),
				))...)
				down := time.Now().Add(time.Minute)
				var calls atomic.Int32
				for range 10 {
					require.NoError(t, p.Go(func(context.Context) error {
						calls.Add(1)
						if time.Now().Before(down) {
							return errFlaky
						}
						return nil
					}, pool.Key("down")))
				}
				begin := time.Now()
				for range 10 {
					require.NoError(t, p.Submit(nothing, pool.Key("well")).Wait(context.Background()))
				}
				require.Less(t, time.Since(begin), time.Second)
				synctest.Wait()
				require.EqualValues(t, 1, calls.Load())
				require.NoError(t, p.Wait(context.Background()), "they have all come back")
				require.Equal(t, 1, m.of("down"))
				require.Equal(t, 1, m.of("well"))
			})
		})
	}
}

func TestTheKeyThatHasBeenUsedLeastRecentlyIsForgotten(t *testing.T) {
	var m made
	p := newPool(t, 1, pool.Use(middleware.PerKey(m.plain, 2)))
	for _, key := range []string{"a", "b", "a", "c", "a", "b", "", "b"} {
		require.NoError(t, p.Submit(nothing, pool.Key(key)).Wait(context.Background()))
	}
	require.Equal(t, map[string]int{"a": 1, "b": 2, "c": 1, "": 1}, m.times)
}

func TestAKeyWhoseJobRunsIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m made
		p := newPool(t, 4, pool.Use(middleware.PerKey(m.plain, 1)))
		end := make(chan struct{})
		for _, key := range []string{"a", "b"} { // more than are remembered
			require.NoError(t, p.Go(func(context.Context) error { <-end; return nil }, pool.Key(key)))
		}
		synctest.Wait()
		for _, key := range []string{"a", "b", "c", "a", "b", "d", "a"} {
			require.NoError(t, p.Submit(nothing, pool.Key(key)).Wait(context.Background()))
		}
		require.Equal(t, map[string]int{"a": 1, "b": 1, "c": 1, "d": 1}, m.times)
		close(end)
		require.NoError(t, p.Wait(context.Background()))
		require.NoError(t, p.Submit(nothing, pool.Key("x")).Wait(context.Background()))
		for _, key := range []string{"a", "b"} {
			require.NoError(t, p.Submit(nothing, pool.Key(key)).Wait(context.Background()))
			require.Equal(t, 2, m.of(key))
		}
	})
}

func TestAKeysMiddlewareIsMadeOnceAndKeepsNobodyElseWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m made
		p := newPool(t, 10, pool.Use(middleware.PerKey(func(key string) pool.Middleware {
			if key == "slow" {
				time.Sleep(time.Minute)
			}
			return m.plain(key)
		}, 10)))
		begin := time.Now()
		var slow []*pool.Task
		for range 5 {
			slow = append(slow, p.Submit(nothing, pool.Key("slow")))
		}
		synctest.Wait()
		require.NoError(t, p.Submit(nothing, pool.Key("quick")).Wait(context.Background()))
		require.Zero(t, time.Since(begin))
		cancelled := p.Submit(nothing, pool.Key("slow"))
		synctest.Wait()
		cancelled.Cancel()
		require.ErrorIs(t, cancelled.Wait(context.Background()), pool.ErrCanceled)
		require.Zero(t, time.Since(begin), "the wait for it heeds the job's context")
		for _, task := range slow {
			require.NoError(t, task.Wait(context.Background()))
		}
		require.Equal(t, 1, m.of("slow"))
	})
}

func TestAKeyWithoutAMiddlewareFailsItsJobAndIsTriedAgain(t *testing.T) {
	for want, bad := range map[string]func() pool.Middleware{
		"panicked: ouch":               func() pool.Middleware { panic("panicked: ouch") },
		"the function returned nil":    func() pool.Middleware { return nil },
		"returned a nil job":           func() pool.Middleware { return func(pool.Job) pool.Job { return nil } },
		"Timeout(0s): give a time":     func() pool.Middleware { return middleware.Timeout(0) },
		"called runtime.Goexit":        func() pool.Middleware { runtime.Goexit(); return nil },
		"the middleware itself":        func() pool.Middleware { return func(pool.Job) pool.Job { panic("the middleware itself") } },
		"CircuitBreaker: the breaker ": func() pool.Middleware { return middleware.CircuitBreaker(nil) },
	} {
		t.Run(want, func(t *testing.T) {
			var m made
			p := newPool(t, 1, pool.Use(middleware.Retry(middleware.Constant(time.Hour)), middleware.PerKey(func(key string) pool.Middleware {
				if m.of("a") == 0 {
					m.note(key)
					return bad()
				}
				return m.plain(key)
			}, 10)))
			called := false
			job := func(context.Context) error { called = true; return nil }
			err := p.Submit(job, pool.Key("a")).Wait(context.Background())
			if want == "called runtime.Goexit" {
				require.ErrorIs(t, err, pool.ErrGoexit)
			} else {
				require.ErrorContains(t, err, `middleware: PerKey: the middleware of key "a"`)
				require.ErrorContains(t, err, want)
			}
			require.False(t, called)
			require.NoError(t, p.Submit(job, pool.Key("a")).Wait(context.Background()))
			require.True(t, called)
		})
	}
}

// Many keys, few places, many workers: no attempt of a key meets the middleware of
// another, and no two of one key's are in use at a time.
func TestPerKeyKeepsKeysApart(t *testing.T) {
	var wrong atomic.Int32
	var mu sync.Mutex
	inUse := map[string]int{} // the number of the middleware that is in use, by key
	users := map[string]int{}
	made := 0
	p := newPool(t, 8, pool.WithQueue(1<<20), pool.Use(middleware.PerKey(func(key string) pool.Middleware {
		mu.Lock()
		made++
		number := made
		mu.Unlock()
		return func(next pool.Job) pool.Job {
			return func(ctx context.Context) error {
				mu.Lock()
				if i, _ := pool.FromContext(ctx); i.Key != key || users[key] > 0 && inUse[key] != number {
					wrong.Add(1)
				}
				users[key]++
				inUse[key] = number
				mu.Unlock()
				defer func() {
					mu.Lock()
					users[key]--
					mu.Unlock()
				}()
				return next(ctx)
			}
		}
	}, 5)))
	for n := range 5000 {
		require.NoError(t, p.Go(func(context.Context) error { runtime.Gosched(); return nil }, pool.Key(fmt.Sprint(n*n%23))))
	}
	require.NoError(t, p.Wait(context.Background()))
	require.Zero(t, wrong.Load())
	require.Greater(t, made, 12, "keys were forgotten and made anew")
}

func TestAMiddlewareThatCannotBeMadeForAKeyIsSaidWithoutNamingThePackageTwice(t *testing.T) {
	perKey := middleware.PerKey(func(string) pool.Middleware { return middleware.Timeout(0) }, 1)
	err := perKey(func(context.Context) error { return nil })(context.Background())
	require.EqualError(t, err, `middleware: PerKey: the middleware of key "": cannot be made: Timeout(0s): give a time above zero`)
}
