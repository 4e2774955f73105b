package dflockd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// A burst is a function of the user's that ends in a bad way while it is armed.
type burst struct {
	end   func()
	armed atomic.Bool
	calls atomic.Int64
}

func (b *burst) call() {
	if b.armed.Load() {
		b.calls.Add(1)
		b.end()
	}
}

// Handle makes it a handler of package slog.
func (b *burst) Handle(context.Context, slog.Record) error { b.call(); return nil }
func (b *burst) Enabled(context.Context, slog.Level) bool  { return true }
func (b *burst) WithAttrs([]slog.Attr) slog.Handler        { return b }
func (b *burst) WithGroup(string) slog.Handler             { return b }

// userFuncs has each function of the user's that a source calls.
var userFuncs = map[string]func(b *burst, tr *slot.Trace, dial DialFunc) []Option{
	"Trace.Queued": func(b *burst, tr *slot.Trace, _ DialFunc) []Option {
		tr.Queued = func(time.Time) { b.call() }
		return nil
	},
	"Trace.Granted": func(b *burst, tr *slot.Trace, _ DialFunc) []Option {
		tr.Granted = func(time.Time) { b.call() }
		return nil
	},
	"Trace.Confirmed": func(b *burst, tr *slot.Trace, _ DialFunc) []Option {
		tr.Confirmed = func(time.Time) { b.call() }
		return nil
	},
	"Trace.Renewed": func(b *burst, tr *slot.Trace, _ DialFunc) []Option {
		tr.Renewed = func(time.Duration, error) { b.call() }
		return nil
	},
	"WithLogger": func(b *burst, _ *slot.Trace, _ DialFunc) []Option {
		return []Option{WithLogger(slog.New(b))}
	},
	"WithDialer": func(b *burst, _ *slot.Trace, dial DialFunc) []Option {
		return []Option{WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			b.call()
			return dial(ctx, network, address)
		})}
	},
}

// endings are the ways in which a function does not return.
var endings = map[string]func(){"panics": func() { panic("boom") }, "calls Goexit": runtime.Goexit}

func TestAUsersFunctionEndsNothingButItself(t *testing.T) {
	for name, option := range userFuncs {
		for how, end := range endings {
			t.Run(name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLedger(t, 1)
					b, tr := &burst{end: end}, &slot.Trace{}
					opts := append([]Option{WithLogger(slog.New(slog.DiscardHandler))}, option(b, tr, l.dial)...)
					src := newTestSource(t, l.peer, slot.Fixed("k", 1), opts...)
					b.armed.Store(true)
					ctx, cancel := context.WithTimeout(slot.WithTrace(t.Context(), tr), 30*time.Second)
					defer cancel()
					everythingHappens(ctx, t, l, src)
					require.NotZero(t, b.calls.Load(), "the function was never called")
					b.armed.Store(false)
					time.Sleep(time.Minute)
					everythingHappens(slot.WithTrace(t.Context(), tr), t, l, src)
					held, waiting := l.state()
					require.Zero(t, held+waiting)
				})
			})
		}
	}
}

// everythingHappens has a source do all that it tells of: a slot is renewed, one
// waits for it, and the connections break.
func everythingHappens(ctx context.Context, t *testing.T, l *ledger, src *Source) {
	t.Helper()
	first, err := acquire(ctx, src)
	if err != nil {
		require.ErrorIs(t, err, slot.ErrUnavailable)
		return
	}
	second := make(chan error, 1)
	go func() {
		s, err := acquire(ctx, src)
		if err == nil {
			err = s.Release()
		}
		second <- err
	}()
	time.Sleep(6 * time.Second) // longer than the lease
	require.NoError(t, first.Context().Err(), "it is renewed")
	require.NoError(t, first.Release())
	require.NoError(t, <-second)
	l.reset()
	synctest.Wait()
}

func TestAFunctionOfWithOnLostThatPanicsEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := generous(t)
		lock, err := NewLock("k", WithDialer(p.dial), WithLogger(slog.New(slog.DiscardHandler)), WithOnLost(func(string, string) { panic("boom") }))
		require.NoError(t, err)
		mustAcquire(t, lock.holder)
		p.reset()
		synctest.Wait()
		mustAcquire(t, lock.holder)
		require.NoError(t, lock.Release())
	})
}

func TestAFunctionOfWithTLSThatPanicsFailsTheClaim(t *testing.T) {
	for how, end := range endings {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := generous(t)
				b := &burst{end: end}
				b.armed.Store(true)
				src := newTestSource(t, p, slot.Fixed("k", 1), WithLogger(slog.New(slog.DiscardHandler)),
					WithTLS(&tls.Config{ServerName: "a.example", ClientSessionCache: sessions{b}}))
				_, err := src.Enqueue(t.Context(), "")
				require.ErrorIs(t, err, slot.ErrUnavailable)
				require.NotZero(t, b.calls.Load(), "the function was never called")
			})
		})
	}
}

// sessions are functions of the user's that a TLS handshake calls.
type sessions struct{ b *burst }

func (s sessions) Get(string) (*tls.ClientSessionState, bool) { s.b.call(); return nil, false }
func (s sessions) Put(string, *tls.ClientSessionState)        {}

func TestADialerThatReturnsNothingFailsTheClaim(t *testing.T) {
	src, err := NewSource(slot.Fixed("k", 1), WithDialer(func(context.Context, string, string) (net.Conn, error) { return nil, nil }))
	require.NoError(t, err)
	_, err = src.Enqueue(t.Context(), "")
	require.ErrorIs(t, err, slot.ErrUnavailable)
	require.ErrorContains(t, err, "WithDialer")
	require.NoError(t, src.Close(t.Context()))
}

// A panic is a bug that somebody should hear of, also where no logger was given.
func TestAPanicOfAUsersFunctionIsReported(t *testing.T) {
	b := &burst{end: func() {}}
	b.armed.Store(true)
	before := slog.Default()
	slog.SetDefault(slog.New(b))
	defer slog.SetDefault(before)
	c, err := newConfig(nil)
	require.NoError(t, err)
	c.call("f", func() { panic("boom") })
	require.EqualValues(t, 1, b.calls.Load())

	var told bytes.Buffer
	c, err = newConfig([]Option{WithLogger(slog.New(slog.NewTextHandler(&told, nil)))})
	require.NoError(t, err)
	c.call("f", func() { panic(errors.New("boom")) })
	require.EqualValues(t, 1, b.calls.Load())
	require.Contains(t, told.String(), `level=ERROR msg="dflockd: f has panicked" panic=boom stack=`)
}
