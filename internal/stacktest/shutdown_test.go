package stacktest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/pool"
)

// TestShutdownReturnsByItsDeadlineWithAHungServer shuts down pools whose
// server does not answer any more, with jobs that run, wait for slots, back off
// and ignore their context.
func TestShutdownReturnsByItsDeadlineWithAHungServer(t *testing.T) {
	for _, deaf := range []int{0, 2} {
		for _, m := range []mode{immediate, strict} {
			synctest.Test(t, func(t *testing.T) { shutdownHung(t, m, deaf) })
		}
	}
}

func shutdownHung(t *testing.T, m mode, deaf int) {
	w := newWorld(t, m, 4, time.Minute)
	defer w.close()
	src := w.source("a")
	p, err := pool.New(8, pool.WithSlots(src))
	require.NoError(t, err)
	wake := make(chan struct{})
	for i := range 40 {
		p.Submit(func(ctx context.Context) error {
			if i < deaf {
				<-wake
				return nil
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}, pool.Key("k"))
	}
	p.Submit(func(context.Context) error { return pool.RetryAfter(time.Hour, errSoon) }, pool.Key("other"))
	time.Sleep(w.recovery() + w.lease) // a strict server grants after its grace
	require.Equal(t, int64(4), p.Stats().Running)

	w.net.Set(faultnet.Everybody, faultnet.Conditions{Frozen: true})
	const patience = time.Second
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errOver)
	defer cancel()
	begin := time.Now()
	err = p.Shutdown(ctx)
	require.LessOrEqual(t, time.Since(begin), patience+100*time.Millisecond)
	require.ErrorIs(t, err, errOver)
	if deaf > 0 {
		require.ErrorContains(t, err, fmt.Sprint(deaf), "how many jobs still run")
	}
	begin = time.Now()
	_ = src.Close(context.Background()) // it says what it could not release
	require.LessOrEqual(t, time.Since(begin), time.Second)
	close(wake)
	synctest.Wait()
	s := p.Stats()
	require.Equal(t, int64(41), s.Submitted)
	require.Equal(t, s.Submitted, s.Finished)
}

// TestEveryEndOfAJobGivesItsSlotBack ends jobs in every way there is. Each
// gives its slot back at once, so that the next claimant has it.
func TestEveryEndOfAJobGivesItsSlotBack(t *testing.T) {
	ends := map[string]func(context.Context) error{
		"nil":    func(context.Context) error { return nil },
		"error":  func(context.Context) error { return errJob },
		"panic":  func(context.Context) error { panic(errJob) },
		"goexit": func(context.Context) error { runtime.Goexit(); return nil },
		"retry":  func(context.Context) error { return pool.RetryAfter(time.Hour, errSoon) },
	}
	for name, end := range ends {
		for _, m := range []mode{immediate, strict} {
			t.Run(name+" "+m.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, m, 1, 10*time.Second)
					defer w.close()
					src, other := w.source("a"), w.source("b")
					defer func() { require.NoError(t, errors.Join(src.Close(t.Context()), other.Close(t.Context()))) }()
					p, err := pool.New(2, pool.WithSlots(src))
					require.NoError(t, err)
					ctx, cancel := context.WithTimeoutCause(t.Context(), longWait, errInVain)
					defer func() { _ = p.Shutdown(ctx) }()
					defer cancel()
					time.Sleep(w.lease) // the grace of a strict server
					var ended time.Time
					p.Submit(func(ctx context.Context) error {
						rest(ctx, time.Second)
						ended = time.Now()
						return end(ctx)
					}, pool.Key("k"))
					time.Sleep(100 * time.Millisecond)
					ticket, err := other.Enqueue(ctx, "k")
					require.NoError(t, err)
					s, err := ticket.Wait(ctx)
					require.NoError(t, err)
					require.LessOrEqual(t, s.Info().GrantedAt.Sub(ended), 100*time.Millisecond)
					require.NoError(t, s.Release())
				})
			})
		}
	}
}
