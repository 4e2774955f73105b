package dflockd

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

// clientFuncs has each function of the program's that this package calls on
// goroutines of its own, with what makes it call them. Each has boom called in it.
var clientFuncs = []struct {
	name string
	opt  func(n *network, boom func()) Option
	use  func(t *testing.T, n *network, src *Source, boom func())
}{
	{"WithDialer", func(n *network, boom func()) Option {
		dials := 0
		return WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials++; dials == 1 {
				boom()
			}
			return n.dial(ctx, network, address)
		})
	}, nil},
	{"WithLogger", func(_ *network, boom func()) Option {
		return WithLogger(slog.New(&burstingHandler{slog.DiscardHandler, boom}))
	}, func(_ *testing.T, n *network, _ *Source, _ func()) { n.reset() }},
	{"Trace.Queued", nil, traced(func(boom func()) *slot.Trace {
		return &slot.Trace{Queued: func(time.Time) { boom() }}
	})},
	{"Trace.Granted", nil, traced(func(boom func()) *slot.Trace {
		return &slot.Trace{Granted: func(time.Time) { boom() }}
	})},
	{"Trace.Confirmed", nil, traced(func(boom func()) *slot.Trace {
		return &slot.Trace{Confirmed: func(time.Time) { boom() }}
	})},
	{"Trace.Renewed", nil, traced(func(boom func()) *slot.Trace {
		return &slot.Trace{Renewed: func(time.Duration, error) { boom() }}
	})},
	{"Claimant.Granted", nil, func(t *testing.T, _ *network, src *Source, boom func()) {
		_, err := src.Join(t.Context(), "joined", &burstingClaimant{granted: boom})
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, claimNow(t, src, "joined").Release(), "nobody has the slot, so it must be free")
	}},
	{"Claimant.Refused", nil, func(t *testing.T, _ *network, src *Source, boom func()) {
		s := claimNow(t, src, "joined")
		place, err := src.Join(t.Context(), "joined", &burstingClaimant{refused: boom})
		require.NoError(t, err)
		synctest.Wait()
		go place.Leave() // which tells of it
		synctest.Wait()
		require.NoError(t, s.Release())
	}},
}

// traced returns what makes a source call each function of a trace.
func traced(trace func(boom func()) *slot.Trace) func(*testing.T, *network, *Source, func()) {
	return func(t *testing.T, _ *network, src *Source, boom func()) {
		ctx := slot.WithTrace(t.Context(), trace(boom))
		first, err := src.Enqueue(ctx, "traced")
		require.NoError(t, err)
		s, ok := first.Slot()
		require.True(t, ok)
		second, err := src.Enqueue(ctx, "traced")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.NoError(t, s.Context().Err(), "it is renewed")
		require.NoError(t, s.Release())
		s, err = second.Wait(ctx)
		require.NoError(t, err)
		require.NoError(t, s.Release())
	}
}

type burstingClaimant struct{ granted, refused func() }

func (c *burstingClaimant) Granted(slot.Slot) { c.granted() }
func (c *burstingClaimant) Refused(error)     { c.refused() }

type burstingHandler struct {
	slog.Handler
	boom func()
}

func (h *burstingHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (h *burstingHandler) Handle(context.Context, slog.Record) error { h.boom(); return nil }

func TestAFunctionOfTheProgramEndsNothingButWhatItWasCalledFor(t *testing.T) {
	for _, f := range clientFuncs {
		for _, way := range []string{"panic", "runtime.Goexit"} {
			t.Run(f.name+", "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, ln := startServer(t, server.WithReadTimeout(time.Hour))
					n := newNetwork(ln.serve)
					var booms atomic.Int64
					boom := func() {
						booms.Add(1)
						if way == "panic" {
							panic("boom")
						}
						runtime.Goexit()
					}
					opts := []Option{WithDialer(n.dial), WithLease(5 * time.Second), WithLogger(slog.New(slog.DiscardHandler))}
					if f.opt != nil {
						opts = append(opts, f.opt(n, boom))
					}
					src, err := NewSource(slot.Keyed("", 1), opts...)
					require.NoError(t, err)
					held := claimWithin(t, src, "held", 10*time.Second)
					if f.use != nil {
						f.use(t, n, src, boom)
					}
					if f.name != "WithLogger" { // there the connection was cut
						require.NoError(t, held.Context().Err(), "another slot of the connection is lost")
					}
					synctest.Wait()
					require.NotZero(t, booms.Load())
					require.NoError(t, claimWithin(t, src, "next", 10*time.Second).Release())
					require.NoError(t, src.Close(context.Background()))
				})
			})
		}
	}
}

// claimWithin claims a slot that is free, as often as it takes.
func claimWithin(t *testing.T, src *Source, key string, d time.Duration) slot.Slot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for {
		s, ok, err := src.Try(ctx, key)
		if ok {
			return s
		}
		require.NoError(t, ctx.Err(), "the client does not recover: %v", err)
		time.Sleep(100 * time.Millisecond)
	}
}

func TestWithOnLostMayPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ln := startServer(t)
		n := newNetwork(ln.serve)
		var log bytes.Buffer
		lock, err := NewLock("k", WithDialer(n.dial), WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
			WithOnLost(func(string, string) { panic("boom") }))
		require.NoError(t, err)
		acquired(t, lock)
		n.reset()
		synctest.Wait()
		require.ErrorIs(t, context.Cause(lock.Context()), slot.ErrLost)
		require.Contains(t, log.String(), "panic=boom", "a panic must be said")
		require.Contains(t, log.String(), "program_test.go", "and where it was")
		time.Sleep(10 * time.Second)
		acquired(t, lock)
		require.NoError(t, lock.Release())
	})
}

func acquired(t *testing.T, lock *Lock) {
	t.Helper()
	ok, err := lock.Acquire(t.Context())
	require.NoError(t, err)
	require.True(t, ok)
}

func TestADiallerThatReturnsNothingIsAnError(t *testing.T) {
	lock, err := NewLock("k", WithDialer(func(context.Context, string, string) (net.Conn, error) { return nil, nil }))
	require.NoError(t, err)
	_, err = lock.Acquire(t.Context())
	require.ErrorIs(t, err, slot.ErrUnavailable)
	require.ErrorContains(t, err, "WithDialer returned neither a connection nor an error")
}

func TestANilOptionIsAnError(t *testing.T) {
	_, err := NewLock("k", WithLease(time.Second), nil)
	require.ErrorContains(t, err, "dflockd: option 2 is nil")
	_, err = NewSource(slot.Fixed("k", 1), nil)
	require.ErrorContains(t, err, "dflockd: option 1 is nil")
	_, err = Stats(t.Context(), nil)
	require.ErrorContains(t, err, "dflockd: option 1 is nil")
}

func TestWhatIsPutOffIsDoneThoughOneOfItEndsTheGoroutine(t *testing.T) {
	for way, boom := range map[string]func(){"panic": func() { panic("boom") }, "runtime.Goexit": runtime.Goexit} {
		t.Run(way, func(t *testing.T) {
			e := newEndpoint(&config{log: slog.New(slog.DiscardHandler)}, "server:6388")
			done, told := false, false
			var claims [2]claim
			for i, refused := range []func(){boom, func() { told = true }} {
				claims[i].e, claims[i].owner, claims[i].to = e, ownerKnows, &burstingClaimant{refused: refused}
			}
			over := make(chan struct{})
			go func() {
				defer close(over)
				e.lock()
				e.callLater("a function", boom)
				e.callLater("a function", boom)
				e.later(func() { done = true })
				e.news.add(&claims[0])
				e.news.add(&claims[1])
				e.unlock()
			}()
			<-over
			require.True(t, done, "what was put off later")
			require.True(t, told, "whoever waits to be told")
		})
	}
}
