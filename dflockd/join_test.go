package dflockd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// This file has claims whose claimants are told. That they are told once, and
// that no slot is lost, is checked by package slottest.

// A listener keeps what it is told.
type listener struct {
	slots   chan slot.Slot
	refused chan error
}

func newListener() *listener {
	return &listener{make(chan slot.Slot, 8), make(chan error, 8)}
}

func (l *listener) Granted(s slot.Slot) { l.slots <- s }
func (l *listener) Refused(err error)   { l.refused <- err }

// told reports whether anything was told.
func (l *listener) told() bool { return len(l.slots)+len(l.refused) > 0 }

// outcome waits for what is told, and returns nil for a slot.
func (l *listener) outcome() error {
	select {
	case <-l.slots:
		return nil
	case err := <-l.refused:
		return err
	}
}

func join(t *testing.T, src *Source) (*listener, slot.Place) {
	t.Helper()
	l := newListener()
	place, err := src.Join(t.Context(), "", l)
	require.NoError(t, err)
	return l, place
}

func TestAJoinedClaimIsOneRequestAndOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		l.forgets = false
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		s := claimNow(t, src, "")
		before := len(l.seen())
		_, writes := l.counts()
		c, _ := join(t, src)
		synctest.Wait()
		require.False(t, c.told())
		require.Equal(t, []wire.Command{wire.SemLock}, l.seen()[before:])
		request := l.last(wire.SemLock)
		require.EqualValues(t, longestWait, request.Timeout)
		require.EqualValues(t, 1, request.Limit)
		require.EqualValues(t, 5, request.Lease)
		_, after := l.counts()
		require.Equal(t, 2, after-writes, "with the greeting of its connection")
		require.NoError(t, s.Release())
		got := <-c.slots
		require.True(t, got.Info().Queued)
		require.NoError(t, got.Context().Err())
		require.NoError(t, got.Release())
		synctest.Wait()
		held, waiting := l.state()
		require.Zero(t, held+waiting)
		require.Zero(t, load(src))
	})
}

func TestAJoinedClaimWaitsForAQuietConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		first, _ := join(t, src)
		held := <-first.slots
		l.set(func() { l.delay = 10 * time.Millisecond })
		dials, writes := l.counts()
		require.NoError(t, held.Release())
		next, _ := join(t, src)
		start := time.Now()
		held = <-next.slots
		require.Equal(t, 40*time.Millisecond, time.Since(start), "there and back for the release, and for the claim")
		nowDials, nowWrites := l.counts()
		require.Equal(t, dials, nowDials, "it is not worth a connection")
		require.Equal(t, 2, nowWrites-writes)
		require.NoError(t, held.Release())
	})
}

func TestAJoinedClaimTakesABusyConnectionRatherThanBeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 2)
		src := newTestSource(t, l.peer, slot.Fixed("k", 2))
		first, _ := join(t, src)
		held := <-first.slots
		l.set(func() { l.delay, l.down = 10*time.Millisecond, errors.New("too many connections") })
		require.NoError(t, held.Release())
		start := time.Now()
		next, _ := join(t, src)
		other, _ := join(t, src)
		require.ErrorIs(t, <-other.refused, slot.ErrUnavailable)
		require.Zero(t, time.Since(start))
		held = <-next.slots
		require.Equal(t, 20*time.Millisecond, time.Since(start), "one trip for both requests")
		require.NoError(t, held.Release())
	})
}

// A suspended machine's connections look as idle as they were, but its server
// has closed them long ago.
func TestAJoinedClaimTakesNoStaleConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		require.NoError(t, claimNow(t, src, "").Release())
		synctest.Wait()
		e := src.endpoints[0]
		e.lock()
		for c := range e.conns {
			c.heard = c.heard.Add(-time.Hour) // and no timer has run
		}
		e.unlock()
		start := time.Now()
		c, _ := join(t, src)
		s := <-c.slots
		require.Zero(t, time.Since(start))
		dials, _ := l.counts()
		require.Equal(t, 2, dials)
		require.Equal(t, 1, conns(src))
		require.NoError(t, s.Release())
	})
}

// tagging is a server that takes tagged requests. It answers se as told, and sw
// never.
func tagging(t *testing.T, enqueued string) *peer {
	return newPeer(t, func(_ int, r wire.Request) string {
		switch r.Command {
		case wire.Hello:
			return "ok 1 strict=0 read_timeout_ms=23000 max_lease_s=0 fence=1 tags=1 ping=1"
		case wire.SemEnqueue:
			return fmt.Sprintf("#%d %s", r.Tag, enqueued)
		case wire.SemWait:
			return ""
		}
		return "error"
	})
}

func TestAJoinedClaimOfAServerWithTagsIsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := tagging(t, "queued")
		src := newTestSource(t, p, slot.Fixed("k", 1))
		first, _ := join(t, src) // a connection is there
		synctest.Wait()
		_, before := p.counts()
		second, _ := join(t, src)
		synctest.Wait()
		_, after := p.counts()
		require.Equal(t, 1, after-before)
		require.Equal(t, []wire.Command{wire.SemEnqueue, wire.SemWait, wire.SemEnqueue, wire.SemWait}, p.seen())
		require.False(t, first.told() || second.told())
	})
}

func TestATaggedWaitThatIsNeverAnsweredBreaksTheConnectionInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := tagging(t, "error_max_waiters")
		src := newTestSource(t, p, slot.Fixed("k", 1), WithSocketTimeout(2*time.Second))
		c, _ := join(t, src)
		require.ErrorIs(t, <-c.refused, ErrMaxWaiters)
		require.Equal(t, 1, conns(src))
		time.Sleep(2500 * time.Millisecond)
		require.Zero(t, conns(src))
	})
}

func TestAJoinedClaimIsConfirmedAfterALongWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		l.forgets = false
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		s := claimNow(t, src, "")
		c, _ := join(t, src)
		time.Sleep(time.Minute)
		before := l.count(wire.SemRenew)
		require.NoError(t, s.Release())
		got := <-c.slots
		require.Equal(t, before+1, l.count(wire.SemRenew), "the grant may be as old as the request")
		require.NoError(t, got.Release())
	})
}

func TestAJoinedClaimThatTheServerRefusesIsToldWhy(t *testing.T) {
	for answer, want := range map[string]error{
		"error_limit_mismatch": ErrLimitMismatch,
		"error_max_waiters":    ErrMaxWaiters,
		"timeout":              slot.ErrUnavailable,
		"error":                slot.ErrUnavailable,
	} {
		synctest.Test(t, func(t *testing.T) {
			var p *peer
			p = newPeer(t, func(_ int, r wire.Request) string {
				if r.Command == wire.SemLock {
					return answer
				}
				return p.grants(r)
			})
			src := newTestSource(t, p, slot.Fixed("k", 1))
			for range 2 {
				c, _ := join(t, src)
				require.ErrorIs(t, <-c.refused, want, answer)
			}
			dials, _ := p.counts()
			require.Equal(t, 1, dials, "the connection is as good as before")
			require.Zero(t, load(src))
		})
	}
}

func TestAJoinedClaimThatLeavesIsInNoLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		s := claimNow(t, src, "")
		c, place := join(t, src)
		synctest.Wait()
		place.Leave()
		require.ErrorIs(t, <-c.refused, ErrClosed)
		synctest.Wait()
		held, waiting := l.state()
		require.Equal(t, 1, held)
		require.Zero(t, waiting)
		require.NoError(t, s.Release())
	})
}

func TestAJoinedClaimOfAStrictServerGivesItsSlotBackWhenItComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		l.keeps = true
		src := newTestSource(t, l.peer, slot.Fixed("k", 1), WithStrict())
		s := claimNow(t, src, "")
		c, place := join(t, src)
		synctest.Wait()
		place.Leave()
		require.ErrorIs(t, <-c.refused, ErrClosed)
		require.NoError(t, s.Release())
		synctest.Wait()
		held, waiting := l.state()
		require.Zero(t, held+waiting)
		require.Zero(t, load(src))
		require.False(t, c.told())
	})
}

func TestAJoinedClaimIsToldThatTheServerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 1)
		src := newTestSource(t, l.peer, slot.Fixed("k", 1))
		s := claimNow(t, src, "")
		c, _ := join(t, src)
		synctest.Wait()
		l.set(func() { l.down = errors.New("connection refused") })
		l.reset()
		require.ErrorIs(t, <-c.refused, slot.ErrUnavailable)
		synctest.Wait() // the connection of the slot has ended too
		require.ErrorIs(t, s.Release(), slot.ErrLost)
		later, _ := join(t, src)
		require.ErrorIs(t, <-later.refused, slot.ErrUnavailable)
	})
}

// What a socket takes is written by whoever sends; what it does not take must
// neither be waited for nor be lost.
func TestWhatTheSocketDoesNotTakeAtOnceIsWrittenLater(t *testing.T) {
	near, far := socketPair(t)
	e := newEndpoint(&config{socketTimeout: 10 * time.Second}, "test")
	defer e.stop()
	c := &conn{e: e, raw: near, rw: near, wake: make(chan struct{}, 1), direct: newDirect(near)}
	if c.direct == nil {
		t.Skip("this system has no such writes")
	}
	sent := bytes.Repeat([]byte("sr\nkey\n0123456789abcdef0123456789abcdef\n"), 1<<18)
	c.out = bytes.Clone(sent)
	c.flushNow()
	require.NotEmpty(t, c.out)
	require.Less(t, len(c.out), len(sent), "the beginning is on its way")
	require.False(t, c.writing)
	require.Len(t, c.wake, 1, "the goroutine that writes is called")
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(far)
		got <- b
	}()
	c.out = append(c.out, "last\n"...)
	require.NoError(t, c.flush())
	require.NoError(t, near.Close())
	require.True(t, bytes.Equal(append(sent, "last\n"...), <-got), "in order, each byte once")
	c.out = append(c.out, "x"...)
	c.flushNow() // the socket is closed: that is for the goroutine to find out
	require.Equal(t, "x", string(c.out))
}

func TestWhoeverSendsAJoinedClaimWritesIt(t *testing.T) {
	e := newEndpoint(&config{socketTimeout: 10 * time.Second}, "test")
	defer e.stop()
	cl := &claim{e: e, order: order{kind: kindJoined, to: newListener()}}
	var conns []*conn
	var fars []net.Conn
	for range 3 {
		near, far := socketPair(t)
		c := &conn{e: e, raw: near, rw: near, wake: make(chan struct{}, 1), direct: newDirect(near), load: 1}
		if c.direct == nil {
			t.Skip("this system has no such writes")
		}
		conns, fars = append(conns, c), append(fars, far)
	}
	conns[2].load = 2 // others may have something to send in the same write
	e.lock()
	for _, c := range conns {
		c.out = append(c.out, "sl\n"...)
		c.post(cl)
		c.out = append(c.out, "k\n"...)
		c.post(cl)
	}
	e.unlock()
	for i, c := range conns[:2] {
		require.Empty(t, c.wake, "nobody is woken")
		require.Empty(t, c.out)
		got := make([]byte, 5)
		_, err := io.ReadFull(fars[i], got)
		require.NoError(t, err)
		require.Equal(t, "sl\nk\n", string(got))
	}
	require.Len(t, conns[2].wake, 1)
	require.Equal(t, "sl\nk\n", string(conns[2].out))
}

func socketPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	near, err = net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	far, err = ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

func TestOnlyAPlainSocketIsWrittenToDirectly(t *testing.T) {
	near, _ := socketPair(t)
	require.Nil(t, newDirect(struct{ *net.TCPConn }{near.(*net.TCPConn)}), "it may want to see what is written")
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	require.Nil(t, newDirect(a))
}

func TestAJoinAfterCloseIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newTestSource(t, generous(t), slot.Fixed("k", 1))
		require.NoError(t, src.Close(context.Background()))
		c, _ := join(t, src)
		require.ErrorIs(t, <-c.refused, ErrClosed)
	})
}
