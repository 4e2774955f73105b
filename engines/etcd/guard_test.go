package etcd

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berth-go/berth/internal/lease"
	"github.com/berth-go/berth/slot"
)

// held makes a source that holds a slot and is connected to nothing, and a function
// that ends it.
func newHeld(t *testing.T, length time.Duration) (*Source, *claim) {
	t.Helper()
	cfg, err := newConfig(nil)
	require.NoError(t, err)
	s := &Source{client: clientv3.NewCtxClient(t.Context()), cfg: cfg, held: map[*claim]struct{}{}, gone: make(chan struct{})}
	s.ctx, s.end = context.WithCancel(context.Background())
	now := time.Now()
	x := &session{
		id: 7, length: length, ended: make(chan struct{}), lines: map[string]*line{}, claims: map[*claim]struct{}{},
		lease: lease.Lease{From: now, Length: length},
	}
	// Nobody revokes a lease or removes a key here: there is nothing to ask.
	s.client.Lease, s.client.KV = noLease{}, noKV{}
	s.lock()
	defer s.unlock()
	s.session = x
	c := &claim{src: s, key: "x", name: "x", limit: 1}
	c.entry = entry{keyName: keyName{s.lineOf(x, "x"), 0, "id"}, created: 5, seen: now}
	c.line.note(c)
	c.granted(now)
	_, err = c.take()
	require.NoError(t, err)
	return s, c
}

type noLease struct{ clientv3.Lease }

func (noLease) Revoke(ctx context.Context, _ clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

type noKV struct{ clientv3.KV }

func (noKV) Txn(ctx context.Context) clientv3.Txn { return &noTxn{ctx: ctx} }

type noTxn struct{ ctx context.Context }

func (n *noTxn) If(...clientv3.Cmp) clientv3.Txn  { return n }
func (n *noTxn) Then(...clientv3.Op) clientv3.Txn { return n }
func (n *noTxn) Else(...clientv3.Op) clientv3.Txn { return n }
func (n *noTxn) Commit() (*clientv3.TxnResponse, error) {
	<-n.ctx.Done()
	return nil, n.ctx.Err()
}

func TestASlotEndsAtItsGuardWithNobodyToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newHeld(t, 10*time.Second)
		defer s.end()
		ctx := (*held)(c).Context()
		guard := lease.Lease{From: time.Now(), Length: 10 * time.Second}.Guard()
		require.Equal(t, guard, (*held)(c).Info().ExpiresAt)
		time.Sleep(time.Until(guard) - time.Nanosecond)
		require.NoError(t, ctx.Err())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.ErrorIs(t, context.Cause(ctx), slot.ErrLost)
		require.ErrorIs(t, (*held)(c).Release(), slot.ErrLost)
		require.Nil(t, s.session, "the next claim opens another")
		s.end()
		s.tasks.Wait()
	})
}

// A machine that was suspended finds that only its wall clock has gone on.
func TestASlotEndsWhenTheWallClockSaysThatItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newHeld(t, time.Hour)
		defer s.end()
		ctx := (*held)(c).Context()
		s.lock()
		s.cfg.wall = func(now time.Time) time.Time { return now.Add(2 * time.Hour) }
		s.unlock()
		time.Sleep(lease.WallCheck)
		synctest.Wait()
		require.ErrorIs(t, context.Cause(ctx), slot.ErrLost)
		s.end()
		s.tasks.Wait()
	})
}

// Whoever looked last at the key saw it on its lease then. After that it can have been
// moved to another, which lives for a full length from then on and no longer.
func TestASlotMayBeReliedOnFromTheLastTimeItsKeyWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newHeld(t, 10*time.Second)
		seen := time.Now()
		time.Sleep(3 * time.Second)
		s.lock()
		s.session.lease.From = time.Now() // renewed, and not looked at
		s.unlock()
		require.Equal(t, lease.Lease{From: seen, Length: 10 * time.Second}.Guard(), (*held)(c).Info().ExpiresAt)
		s.lock()
		c.seen = time.Now()
		s.unlock()
		require.Equal(t, lease.Lease{From: time.Now(), Length: 10 * time.Second}.Guard(), (*held)(c).Info().ExpiresAt)
		stop(s)
	})
}

func TestAGrantThatIsOldWhenItArrivesIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newHeld(t, 10*time.Second)
		s.lock()
		late := &claim{src: s, key: "y", name: "y", limit: 1, placed: make(chan struct{}), settled: make(chan struct{})}
		late.entry = entry{keyName: keyName{c.line, 1, "late"}, created: 6, seen: time.Now().Add(-10 * time.Second)}
		c.line.note(late)
		late.place(true, time.Now())
		require.Equal(t, stateDone, late.state)
		require.ErrorIs(t, late.err, slot.ErrUnavailable)
		require.Equal(t, []op{{key: late.keyName}}, s.pending, "it is given back")
		s.unlock()
		stop(s)
	})
}

// The answer to a move may be lost: then the key hangs on a lease that nobody renews.
func TestASlotThatIsBeingMovedMayBeReliedOnForTheShorterOfTwoLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newHeld(t, 10*time.Second)
		granted := time.Now()
		s.lock()
		c.moveTo, c.moveLease = 8, lease.Lease{From: granted, Length: 10 * time.Second}
		s.unlock()
		time.Sleep(2 * time.Second)
		s.lock()
		s.session.lease.From, c.seen = time.Now(), time.Now() // a beat that saw it where it was
		s.unlock()
		require.Equal(t, c.moveLease.Guard(), (*held)(c).Info().ExpiresAt)
		stop(s)
	})
}

// A job needs the time between the end of its context and that of the lease.
func TestASlotThatHasRunOutIsNotFreeBeforeItsLeaseCouldEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newHeld(t, 10*time.Second)
		sent := make(chan time.Time, 1)
		s.client.KV = &hearingKV{sent: sent}
		from := time.Now()
		time.Sleep(5 * time.Second)
		s.lock()
		s.session.lease.From = time.Now() // renewed, but the key could not be looked at
		s.unlock()
		ended := (*held)(c).Context()
		<-ended.Done()
		require.Equal(t, 10*time.Second, (<-sent).Sub(from), "when it is removed")
		stop(s)
	})
}

// hearingKV tells when the first transaction is made.
type hearingKV struct {
	clientv3.KV
	sent chan time.Time
}

func (h *hearingKV) Txn(ctx context.Context) clientv3.Txn {
	select {
	case h.sent <- time.Now():
	default:
	}
	return &noTxn{ctx: ctx}
}

// stop ends a source without asking anybody.
func stop(s *Source) {
	s.end()
	s.lock()
	s.closed = true
	s.timer.Stop()
	s.unlock()
	s.tasks.Wait()
}
