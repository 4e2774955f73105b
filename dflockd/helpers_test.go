package dflockd

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/slot"
)

// newTestSource returns a source on p that is closed with the test.
func newTestSource(t *testing.T, p *peer, limits slot.Limits, opts ...Option) *Source {
	t.Helper()
	src, err := NewSource(limits, append([]Option{WithDialer(p.dial), WithLease(5 * time.Second)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = src.Close(context.Background())
		p.heal()
		p.reset()
	})
	return src
}

// claimNow claims a slot that must be free.
func claimNow(t *testing.T, src slot.Source, key string) slot.Slot {
	t.Helper()
	ticket, err := src.Enqueue(t.Context(), key)
	require.NoError(t, err)
	s, ok := ticket.Slot()
	require.True(t, ok, "the slot was not granted at once")
	return s
}

// awaitEnd waits for the end of a context in a bubble. It gives up after ten
// minutes there: waiting for ever would let renewals go on without end.
func awaitEnd(t *testing.T, ctx context.Context) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Minute):
		t.Fatal("the context does not end")
	}
}

// lostBecause requires that the slot is lost for the given reason.
func lostBecause(t *testing.T, s slot.Slot, cause error) {
	t.Helper()
	require.Error(t, s.Context().Err(), "the context has not ended")
	require.ErrorIs(t, context.Cause(s.Context()), slot.ErrLost)
	require.ErrorIs(t, context.Cause(s.Context()), cause)
	require.ErrorIs(t, s.Release(), slot.ErrLost)
}

// busy is a script whose slots are all taken: claims are queued, and sw is
// answered by grant.
func busy(t *testing.T) *peer {
	var p *peer
	p = newPeer(t, func(_ int, r wire.Request) string {
		switch r.Command {
		case wire.SemLock, wire.Lock:
			return "timeout"
		case wire.SemEnqueue, wire.Enqueue:
			return "queued"
		case wire.SemWait, wire.Wait:
			return ""
		}
		return p.grants(r)
	})
	return p
}

// load returns how many claims are on the connections of a source or wait for
// one.
func load(src *Source) int {
	n := 0
	for _, e := range src.endpoints {
		e.lock()
		for c := range e.conns {
			n += c.load
		}
		n += len(e.own) + len(e.shared)
		e.unlock()
	}
	return n
}

// conns returns how many connections the first server has.
func conns(src *Source) int {
	e := src.endpoints[0]
	e.lock()
	defer e.unlock()
	return len(e.conns)
}

// orphans returns how many broken connections keep slots.
func orphans(src *Source) int {
	e := src.endpoints[0]
	e.lock()
	defer e.unlock()
	return len(e.orphans)
}

// contend has claims of "k" join the line without trying first.
func contend(src *Source) {
	e := src.endpoints[0]
	e.lock()
	defer e.unlock()
	e.noteMiss("k")
}
