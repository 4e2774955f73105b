package dflockd

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/goroutines"
	"github.com/berth-go/berth/slot"
)

// echo is a server in a connection that allocates nothing once it is warm: it
// grants every sl and answers ok to the rest.
type echo struct {
	net.Conn
	wake chan struct{} // cap 1
	done chan struct{}

	mu  sync.Mutex
	buf []byte // answers that were not read yet
}

func newEcho() *echo {
	return &echo{wake: make(chan struct{}, 1), done: make(chan struct{}), buf: make([]byte, 0, 4096)}
}

func (e *echo) Write(b []byte) (int, error) {
	e.mu.Lock()
	line, start := 0, 0
	for i, c := range b {
		if c != '\n' {
			continue
		}
		if line%3 == 0 {
			switch verb := b[start:i]; {
			case string(verb) == "hello":
				e.buf = append(e.buf, "error\n"...)
			case string(verb) == "sl":
				e.buf = append(e.buf, "ok 0123456789abcdef0123456789abcdef 5\n"...)
			default:
				e.buf = append(e.buf, "ok\n"...)
			}
		}
		line, start = line+1, i+1
	}
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (e *echo) Read(b []byte) (int, error) {
	for {
		e.mu.Lock()
		n := copy(b, e.buf)
		e.buf = append(e.buf[:0], e.buf[n:]...)
		e.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		select {
		case <-e.wake:
		case <-e.done:
			return 0, io.EOF
		}
	}
}

func (e *echo) Close() error                     { close(e.done); return nil }
func (e *echo) SetDeadline(time.Time) error      { return nil }
func (e *echo) SetWriteDeadline(time.Time) error { return nil }

func TestUncontendedClaimAllocatesLittle(t *testing.T) {
	for name, limits := range map[string]slot.Limits{"Fixed": slot.Fixed("crawl", 10), "Keyed": slot.Keyed("crawl:", 10)} {
		synctest.Test(t, func(t *testing.T) {
			src, err := NewSource(limits, WithLease(5*time.Second),
				WithDialer(func(context.Context, string, string) (net.Conn, error) { return newEcho(), nil }))
			require.NoError(t, err)
			claim := func() {
				ticket, err := src.Enqueue(context.Background(), "example.com")
				if err != nil {
					t.Fatal(err)
				}
				s, ok := ticket.Slot()
				if !ok || s.Context().Err() != nil {
					t.Fatal("not granted")
				}
				_ = s.Release()
			}
			claim()
			synctest.Wait()
			before := goroutines.InBubble(t)
			got := testing.AllocsPerRun(1000, claim)
			require.LessOrEqual(t, got, 5.0, name) // one is for telling contexts that are joined to the slot's
			t.Logf("%s: %v allocations for claim, context and release", name, got)
			synctest.Wait()
			require.Equal(t, before, goroutines.InBubble(t), name)
			require.NoError(t, src.Close(context.Background()))
		})
	}
}

// BenchmarkClaim measures the client's own cost of a claim and its release.
func BenchmarkClaim(b *testing.B) {
	src, err := NewSource(slot.Fixed("crawl", 10), WithLease(5*time.Second),
		WithDialer(func(context.Context, string, string) (net.Conn, error) { return newEcho(), nil }))
	require.NoError(b, err)
	defer src.Close(context.Background())
	b.ReportAllocs()
	for b.Loop() {
		ticket, err := src.Enqueue(context.Background(), "")
		if err != nil {
			b.Fatal(err)
		}
		s, _ := ticket.Slot()
		_ = s.Release()
	}
}
