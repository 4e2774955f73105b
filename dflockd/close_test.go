package dflockd

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

func TestCloseReleasesWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 100))
		var slots []slot.Slot
		for range 20 {
			slots = append(slots, claimNow(t, src, ""))
		}
		start := time.Now()
		require.NoError(t, src.Close(t.Context()))
		require.Zero(t, time.Since(start))
		require.Equal(t, 20, p.count(wire.SemRelease))
		for _, s := range slots {
			lostBecause(t, s, slot.ErrClosed)
		}
		_, err := src.Enqueue(t.Context(), "")
		require.ErrorIs(t, err, slot.ErrClosed)
		require.ErrorIs(t, src.Ping(t.Context()), ErrClosed)
		require.NoError(t, src.Close(t.Context()), "again")
	})
}

func TestCloseReturnsWithinASecondAtEveryStage(t *testing.T) {
	stages := map[string]func(t *testing.T, p *peer, src *Source) func() error{
		"dialling": func(t *testing.T, p *peer, src *Source) func() error {
			p.set(func() { p.hang = true })
			return claimLater(src)
		},
		"greeting": func(t *testing.T, p *peer, src *Source) func() error {
			p.set(func() { p.silent = true })
			return claimLater(src)
		},
		"trying": func(t *testing.T, p *peer, src *Source) func() error {
			require.NoError(t, src.Ping(t.Context()))
			p.set(func() { p.silent = true })
			return claimLater(src)
		},
		"joining the line": func(t *testing.T, p *peer, src *Source) func() error {
			require.NoError(t, src.Ping(t.Context()))
			contend(src)
			p.set(func() { p.silent = true })
			return claimLater(src)
		},
		"waiting in line": func(t *testing.T, p *peer, src *Source) func() error {
			contend(src)
			return claimLater(src)
		},
		"waiting in line, silently": func(t *testing.T, p *peer, src *Source) func() error {
			contend(src)
			f := claimLater(src)
			synctest.Wait()
			p.set(func() { p.silent = true })
			return f
		},
		"confirming": func(t *testing.T, p *peer, src *Source) func() error {
			contend(src)
			f := claimLater(src)
			time.Sleep(2 * time.Second)
			p.say(p.last(wire.SemWait).from, "ok "+p.token()+" 5")
			p.set(func() { p.silent = true })
			return f
		},
	}
	for name, stage := range stages {
		for mode, opts := range map[string][]Option{"immediate": nil, "strict": {WithStrict()}} {
			t.Run(name+", "+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := busy(t)
					src := newTestSource(t, p, slot.Fixed("k", 1), opts...)
					claimed := stage(t, p, src)
					synctest.Wait()
					start := time.Now()
					var wg sync.WaitGroup
					for range 3 {
						wg.Go(func() { _ = src.Close(context.Background()) })
					}
					wg.Wait()
					require.LessOrEqual(t, time.Since(start), time.Second+cutTimeout)
					require.ErrorIs(t, claimed(), slot.ErrClosed)
					require.LessOrEqual(t, time.Since(start), time.Second+cutTimeout)
				})
			})
		}
	}
}

// claimLater claims a slot on a goroutine and returns a function that waits
// for its error.
func claimLater(src *Source) func() error {
	done := make(chan error, 1)
	go func() {
		_, err := acquire(context.Background(), src)
		done <- err
	}()
	return func() error { return <-done }
}

func TestCloseHeedsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		src := newTestSource(t, p, slot.Fixed("k", 1))
		claimNow(t, src, "")
		p.set(func() { p.silent = true })
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, src.Close(ctx), context.DeadlineExceeded)
		require.Equal(t, 300*time.Millisecond, time.Since(start))
	})
}

func TestCloseFromATraceOfTheSourceDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newTestSource(t, generous(t), slot.Fixed("k", 1))
		closed := make(chan error, 1)
		ctx := slot.WithTrace(t.Context(), &slot.Trace{Granted: func(time.Time) {
			go func() { closed <- src.Close(context.Background()) }()
		}})
		_, _ = src.Enqueue(ctx, "")
		require.NoError(t, <-closed)
	})
}
