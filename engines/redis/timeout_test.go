package redis

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// stubborn returns a client as most people have it: it does not heed the contexts
// that it is given, and repeats what fails.
func (w *world) stubborn(machine string) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:6379", Dialer: w.net.Dialer(machine)})
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

var errEnough = errors.New("enough")

func TestContextsAndTimeoutsHoldWhateverTheClientDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, err := NewSource(w.stubborn("a"), slot.Fixed("k", 1), WithLease(10*time.Second), WithTimeout(time.Second))
		require.NoError(t, err)
		got := w.claim(a, "")
		synctest.Wait()
		w.net.Set("a", cut)
		begin := time.Now()
		since := func() time.Duration { return time.Since(begin) }

		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errEnough)
		defer cancel()
		_, err = a.Enqueue(ctx, "")
		require.ErrorIs(t, err, errEnough)
		require.Equal(t, 50*time.Millisecond, since())

		begin = time.Now()
		_, err = a.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.ErrorContains(t, err, "WithTimeout")
		require.False(t, slot.IsPermanent(err))
		require.LessOrEqual(t, since(), time.Second+time.Second/4)

		begin = time.Now()
		_, err = a.Inspect(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.Equal(t, time.Second, since())

		begin = time.Now()
		require.ErrorIs(t, a.Ping(t.Context()), slot.ErrUnavailable)
		require.Equal(t, time.Second, since())

		begin = time.Now()
		err = a.Close(context.Background())
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.ErrorContains(t, err, "slots may stay held until their leases end")
		require.Equal(t, closeTimeout, since())
		require.ErrorIs(t, context.Cause(got.Context()), slot.ErrLost)
		begin = time.Now()
		require.Error(t, a.Close(context.Background()), "again")
		require.LessOrEqual(t, since(), closeTimeout)

		w.net.Set("a", connected)
		<-a.gone
		synctest.Wait()
	})
}

func TestWhatWasClaimedInASilenceIsGivenBackWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		limits := slot.Fixed("k", 1)
		a, err := NewSource(w.stubborn("a"), limits, WithTimeout(time.Second))
		require.NoError(t, err)
		require.NoError(t, w.claim(a, "").Release())
		synctest.Wait()
		w.net.Set("a", cut)
		for range 3 {
			_, err := a.Enqueue(t.Context(), "")
			require.ErrorIs(t, err, slot.ErrUnavailable)
		}
		w.net.Set("a", connected)
		b := w.source("b", limits)
		got, took := w.wait(w.enqueue(b, ""))
		require.Less(t, took, 4*time.Second, "much sooner than the lease of 10 s")
		require.NoError(t, got.Release())
		require.NoError(t, a.Close(context.Background()))
	})
}

// Flights that hang do not hold up what is claimed after them, once the network works
// again for others: here only the first connections stay frozen.
func TestRequestsThatHangDoNotHoldUpThoseAfterThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var machine atomic.Value
		machine.Store("hurt")
		c := goredis.NewClient(&goredis.Options{
			Addr: "127.0.0.1:6379", ReadTimeout: time.Minute, MaxRetries: -1,
			Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
				return w.net.Dialer(machine.Load().(string))(ctx, network, address)
			},
		})
		defer c.Close()
		a, err := NewSource(c, slot.Fixed("k", 30), WithLease(time.Minute), WithTimeout(time.Second))
		require.NoError(t, err)
		require.NoError(t, w.claim(a, "").Release())
		synctest.Wait()
		w.net.Set("hurt", faultnet.Conditions{Frozen: true}) // new connections are made, and hang too
		for range mostFlights + 1 {
			_, _, err := a.Try(t.Context(), "")
			require.ErrorIs(t, err, slot.ErrUnavailable)
		}
		machine.Store("well")
		for range 5 {
			require.NoError(t, w.claim(a, "").Release())
		}
		w.net.Set("hurt", connected)
		synctest.Wait()
		require.NoError(t, a.Close(context.Background()))
	})
}

func TestASlotOutlivesARenewalThatIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, err := NewSource(w.stubborn("a"), slot.Fixed("k", 1), WithLease(10*time.Second))
		require.NoError(t, err)
		got := w.claim(a, "")
		for range 20 {
			w.net.Set("a", cut)
			time.Sleep(4 * time.Second)
			w.net.Set("a", connected)
			time.Sleep(4 * time.Second)
		}
		require.NoError(t, got.Context().Err())
		require.NoError(t, got.Release())
		require.NoError(t, a.Close(context.Background()))
	})
}

func TestCloseGivesBackWhatIsAskedForMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.source("a", slot.Fixed("k", 2))
		w.claim(a, "")
		w.claim(a, "")
		w.queue(a, "")
		errs := make(chan error)
		for range 5 {
			go func() {
				_, err := a.Enqueue(context.Background(), "")
				errs <- err
			}()
		}
		require.NoError(t, a.Close(context.Background()))
		for range 5 {
			if err := <-errs; err != nil {
				require.ErrorIs(t, err, slot.ErrClosed)
			}
		}
		held, all := w.counts("k")
		require.Zero(t, held+all)
	})
}

func TestErrorsSayWhatHappenedToWhichKeyAndServerAndWhatToDo(t *testing.T) {
	for _, c := range []struct {
		answer, says string
		is           error
		permanent    bool
	}{
		{"NOAUTH Authentication required.", "the server refused the user, the password", ErrAuth, true},
		{"WRONGPASS invalid username-password pair or user is disabled.", "the server refused the user, the password", ErrAuth, true},
		{"NOPERM this user has no permissions to run the 'evalsha' command", "what the user may do", ErrAuth, true},
		{"LOADING Redis is loading the dataset in memory", "is loading its data", slot.ErrUnavailable, false},
		{"READONLY You can't write against a read only replica.", "a failover is under way", slot.ErrUnavailable, false},
		{"OOM command not allowed when used memory > 'maxmemory'.", "out of memory (maxmemory)", slot.ErrUnavailable, false},
		{"MISCONF Redis is configured to save RDB snapshots", "cannot save its data", slot.ErrUnavailable, false},
		{"CLUSTERDOWN The cluster is down", "the cluster is down", slot.ErrUnavailable, false},
		{"ERR something new", `refused the request: it answered "ERR something new"`, nil, false},
	} {
		t.Run(strings.Fields(c.answer)[0], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a := w.source("a", slot.Keyed("job:", 1))
				synctest.Wait()
				w.db.SetError(c.answer)
				_, err := a.Enqueue(t.Context(), "x")
				require.ErrorContains(t, err, `redis: claim "job:x" at 127.0.0.1:6379: `)
				require.ErrorContains(t, err, c.says)
				if c.is != nil {
					require.ErrorIs(t, err, c.is)
				}
				require.Equal(t, c.permanent, slot.IsPermanent(err))
				w.db.SetError("")
				require.NoError(t, w.claim(a, "x").Release())
				synctest.Wait()
				w.db.SetError(c.answer)
				_, err = a.Enqueue(t.Context(), "x")
				require.False(t, slot.IsPermanent(err), "once it was served it goes on trying")
				w.db.SetError("")
			})
		})
	}
}

func TestAServerThatIsNotThereIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.SetServer(nil)
		a := w.source("a", slot.Fixed("k", 1))
		_, err := a.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrUnavailable)
		require.EqualError(t, err, `redis: claim "k" at 127.0.0.1:6379: nothing listens there: start a server with "redis-server", or correct the address`)
	})
}

func TestWhatCannotWorkIsRefusedWhenTheSourceIsMade(t *testing.T) {
	good := goredis.NewClient(&goredis.Options{})
	defer good.Close()
	ring := goredis.NewRing(&goredis.RingOptions{})
	defer ring.Close()
	sentinel := goredis.NewFailoverClient(&goredis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{"127.0.0.1:1"}})
	defer sentinel.Close()
	limits := slot.Fixed("k", 1)
	for want, make := range map[string]func() (*Source, error){
		"the client is nil":            func() (*Source, error) { return NewSource(nil, limits) },
		"the client is nil ":           func() (*Source, error) { return NewSource((*goredis.Client)(nil), limits) },
		"a Ring is several servers":    func() (*Source, error) { return NewSource(ring, limits) },
		"no limits are given":          func() (*Source, error) { return NewSource(good, slot.Limits{}) },
		"the limit is 0":               func() (*Source, error) { return NewSource(good, slot.Fixed("k", 0)) },
		`the key "a{b" has a brace`:    func() (*Source, error) { return NewSource(good, slot.Fixed("a{b", 1)) },
		`the key "a}" has a brace`:     func() (*Source, error) { return NewSource(good, slot.Keyed("a}", 1)) },
		"an option is nil":             func() (*Source, error) { return NewSource(good, limits, nil) },
		"WithLease: 999ms":             func() (*Source, error) { return NewSource(good, limits, WithLease(999*time.Millisecond)) },
		"WithLease: 1h0m0s":            func() (*Source, error) { return NewSource(good, limits, WithLease(time.Hour)) },
		"WithTimeout: 0s":              func() (*Source, error) { return NewSource(good, limits, WithTimeout(0)) },
		"WithPrefix: the prefix is em": func() (*Source, error) { return NewSource(good, limits, WithPrefix("")) },
		`WithPrefix: "{x}" has a brac`: func() (*Source, error) { return NewSource(good, limits, WithPrefix("{x}")) },
		`WithPrefix: "a b"`:            func() (*Source, error) { return NewSource(good, limits, WithPrefix("a b")) },
		"WithName: the name is empty":  func() (*Source, error) { return NewSource(good, limits, WithName("")) },
		"WithLogger: the logger is ni": func() (*Source, error) { return NewSource(good, limits, WithLogger(nil)) },
		"the client follows Sentinel":  func() (*Source, error) { return NewSource(sentinel, limits, WithDurable()) },
	} {
		s, err := make()
		require.ErrorContains(t, err, strings.TrimSpace(want))
		require.True(t, strings.HasPrefix(err.Error(), "redis: "), err)
		require.Nil(t, s)
	}
}
