package etcdtest_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/engines/etcd/etcdtest"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// A fault is a source whose network can be cut, beside another that is well.
type fault struct {
	net       *faultnet.Net
	client    *clientv3.Client // the way around the fault
	prefix    string
	src, peer *etcd.Source
}

// newFault returns sources with leases of a minute, which no test outlives, and little
// patience with requests.
func newFault(t *testing.T, limit int) *fault {
	f := &fault{net: network(t, single), client: connect(t, single), prefix: newPrefix()}
	opts := []etcd.Option{etcd.WithLease(time.Minute), etcd.WithRequestTimeout(300 * time.Millisecond), etcd.WithLogger(discard)}
	f.src = newSource(t, connect(t, single, over(f.net, "source")), f.prefix, slot.Keyed("k:", limit), opts...)
	f.peer = newSource(t, f.client, f.prefix, slot.Keyed("k:", limit), etcd.WithLease(time.Minute))
	return f
}

func (f *fault) keys(t *testing.T) int { return keysBelow(t, f.client, f.prefix) }

func TestAClaimWhoseOutcomeIsNotKnownLeavesNothing(t *testing.T) {
	for name, cut := range map[string]faultnet.Conditions{
		"the answer is lost": {HoldDown: true}, "the request is late": {HoldUp: true}, "both are": {HoldDown: true, HoldUp: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFault(t, 1)
			held := claim(t, f.src, "held")
			f.net.Set("source", cut)
			_, err := f.src.Enqueue(t.Context(), "x")
			require.ErrorIs(t, err, slot.ErrUnavailable)
			if name == "the answer is lost" {
				require.Equal(t, 2, f.keys(t), "the claim was carried out")
			}
			f.net.Set("source", faultnet.Conditions{})
			waitFor(t, "the key is gone", func() bool { return f.keys(t) == 1 })
			require.NoError(t, claim(t, f.peer, "x").Release())
			require.NoError(t, held.Context().Err(), "the session lives on")
			require.NoError(t, claim(t, f.src, "x").Release())
		})
	}
}

// A request that is under way for longer than anything may not be carried out at all:
// nobody would know of it.
func TestATransactionOfThePastIsNeverCarriedOut(t *testing.T) {
	var mu sync.Mutex
	var late func() error // the transaction that was held up
	hold := false
	client := connect(t, single, func(cfg *clientv3.Config) {
		cfg.DialOptions = append(cfg.DialOptions, grpc.WithUnaryInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				mu.Lock()
				if !hold || method != "/etcdserverpb.KV/Txn" {
					mu.Unlock()
					return next(ctx, method, req, reply, cc, opts...)
				}
				hold = false
				late = func() error { return next(context.WithoutCancel(ctx), method, req, reply, cc, opts...) }
				mu.Unlock()
				<-ctx.Done()
				return ctx.Err()
			}))
	})
	prefix := newPrefix()
	src := newSource(t, client, prefix, slot.Keyed("k:", 1), etcd.WithLease(time.Minute), etcd.WithRequestTimeout(300*time.Millisecond))
	require.NoError(t, claim(t, src, "x").Release())
	mu.Lock()
	hold = true
	mu.Unlock()
	_, err := src.Enqueue(t.Context(), "x")
	require.ErrorIs(t, err, slot.ErrUnavailable)
	held := claim(t, src, "y") // so all is settled
	require.NoError(t, late())
	require.Equal(t, 1, keysBelow(t, client, prefix), "only the slot that is held is there")
	require.NoError(t, claim(t, src, "x").Release())
	require.NoError(t, held.Context().Err())
}

func TestAReleaseThatIsLostIsMadeAgain(t *testing.T) {
	f := newFault(t, 1)
	held := claim(t, f.src, "x")
	next := queued(t, f.peer, "x")
	f.net.Set("source", faultnet.Conditions{HoldUp: true})
	require.NoError(t, held.Release())
	f.net.Reset("source")
	f.net.Set("source", faultnet.Conditions{})
	grantOf(t, next)
}

func TestABrokenConnectionCostsNeitherSlotsNorPlaces(t *testing.T) {
	f := newFault(t, 1)
	held := claim(t, f.peer, "x")
	own := claim(t, f.src, "y")
	first, second := queued(t, f.src, "x"), queued(t, f.peer, "x")
	for range 3 {
		f.net.Reset("source")
	}
	require.NoError(t, held.Release())
	s := grantOf(t, first)
	_, ok := second.Slot()
	require.False(t, ok)
	require.NoError(t, own.Context().Err())
	require.NoError(t, s.Release())
	grantOf(t, second)
}

func TestACompactionDuringAWaitIsSurvived(t *testing.T) {
	f := newFault(t, 1)
	held := claim(t, f.peer, "x")
	first := queued(t, f.src, "x")
	settled := queued(t, f.src, "x") // behind the first; the watch is there when it was told of a change
	require.NoError(t, settled.Close())
	f.net.Set("source", faultnet.Conditions{HoldUp: true, HoldDown: true})
	require.NoError(t, held.Release())
	for range 10 {
		require.NoError(t, claim(t, f.peer, "other").Release())
	}
	r, err := f.client.Get(t.Context(), f.prefix)
	require.NoError(t, err)
	_, err = f.client.Compact(t.Context(), r.Header.Revision, clientv3.WithCompactPhysical())
	require.NoError(t, err)
	f.net.Reset("source")
	f.net.Set("source", faultnet.Conditions{})
	grantOf(t, first)
}

// A watch that says nothing is what a member has that hangs. Everything else works.
type muteWatches struct{ on atomic.Bool }

func (m *muteWatches) attach(cfg *clientv3.Config) {
	cfg.DialOptions = append(cfg.DialOptions, grpc.WithStreamInterceptor(
		func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := next(ctx, desc, cc, method, opts...)
			if err == nil && method == "/etcdserverpb.Watch/Watch" {
				s = &muteStream{s, m}
			}
			return s, err
		}))
}

type muteStream struct {
	grpc.ClientStream
	mute *muteWatches
}

func (s *muteStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil && s.mute.on.Load() {
		<-s.Context().Done()
		return s.Context().Err()
	}
	return err
}

func TestAGrantThatTheWatchDoesNotTellIsFoundWithABeat(t *testing.T) {
	t.Parallel()
	var mute muteWatches
	prefix := newPrefix()
	src := newSource(t, connect(t, single, mute.attach), prefix, slot.Keyed("k:", 1), etcd.WithLease(2*short))
	peer := newSource(t, connect(t, single), prefix, slot.Keyed("k:", 1), etcd.WithLease(2*short))
	held := claim(t, src, "x")
	held = grantOf(t, firstInLine(t, src, held)) // the watch is there
	first, second := queued(t, src, "x"), queued(t, peer, "x")
	mute.on.Store(true)
	require.NoError(t, held.Release())
	s := grantOf(t, first)
	require.NoError(t, s.Release())
	require.NoError(t, grantOf(t, second).Release())
}

func TestWhereNobodyListensTheErrorSaysWhichAddressAndHowToStartOne(t *testing.T) {
	client := connect(t, single, func(cfg *clientv3.Config) { cfg.Endpoints = []string{"127.0.0.1:1"} })
	src := newSource(t, client, newPrefix(), slot.Keyed("k:", 1), etcd.WithRequestTimeout(200*time.Millisecond))
	_, err := src.Enqueue(t.Context(), "x")
	require.ErrorIs(t, err, slot.ErrUnavailable)
	require.False(t, slot.IsPermanent(err))
	require.ErrorContains(t, err, "at 127.0.0.1:1")
	require.ErrorContains(t, err, "etcd --auto-compaction-retention=5m")
	_, _, err = src.Try(t.Context(), "x")
	require.ErrorIs(t, err, slot.ErrUnavailable)
	h := &teller{granted: make(chan slot.Slot, 1)}
	_, err = src.Join(t.Context(), "x", h)
	require.NoError(t, err)
	waitFor(t, "the claimant is told", func() bool { return h.refused.Load() == 1 })
}

func TestCloseReturnsWhileEtcdHangs(t *testing.T) {
	f := newFault(t, 1)
	held := claim(t, f.src, "x")
	waiting := queued(t, f.src, "x")
	f.net.Set("source", faultnet.Conditions{Frozen: true})
	go func() { _, _ = f.src.Enqueue(t.Context(), "y") }()
	require.Error(t, f.src.Close(t.Context()), "the slots stay until their lease ends")
	require.ErrorIs(t, context.Cause(held.Context()), slot.ErrClosed)
	require.ErrorIs(t, context.Cause(held.Context()), slot.ErrLost)
	_, err := waiting.Wait(t.Context())
	require.ErrorIs(t, err, slot.ErrClosed)
}

// An abandoned slot is moved to a lease of its own at once, or by Close where that has
// not come about.
func TestAnAbandonedSlotOutlivesTheCloseOfItsSource(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{true, false} {
		prefix, client := newPrefix(), connect(t, single)
		var leases late
		src := newSource(t, connect(t, single, leases.attach), prefix, slot.Keyed("k:", 1), etcd.WithLease(short), etcd.WithLogger(discard))
		peer := newSource(t, client, prefix, slot.Keyed("k:", 1), etcd.WithLease(short))
		s, other := claim(t, src, "x"), claim(t, src, "y")
		if !early {
			leases.until(s.Context().Done())
		}
		s.(slot.Abandoner).Abandon()
		if early {
			waitFor(t, "it hangs on a lease of its own", func() bool {
				r, err := client.Get(t.Context(), prefix+"l/", clientv3.WithPrefix())
				require.NoError(t, err)
				return len(r.Kvs) == 2 && r.Kvs[0].Lease != r.Kvs[1].Lease
			})
		}
		next := queued(t, peer, "x")
		require.NoError(t, src.Close(t.Context()))
		require.Equal(t, 2, keysBelow(t, client, prefix), "its key is there, and the one in line behind it")
		require.ErrorIs(t, context.Cause(s.Context()), slot.ErrLost)
		require.ErrorIs(t, context.Cause(other.Context()), slot.ErrLost)
		require.NoError(t, claim(t, peer, "y").Release(), "what was not abandoned is free at once")
		_, ok := next.Slot()
		require.False(t, ok, "its job does not stop")
		require.NoError(t, grantOf(t, next).Release())
	}
}

// late keeps the next lease that is asked for until something is done, and refuses it
// then. Later ones are given as always.
type late struct {
	done atomic.Pointer[<-chan struct{}]
}

func (l *late) until(done <-chan struct{}) { l.done.Store(&done) }

func (l *late) attach(cfg *clientv3.Config) {
	cfg.DialOptions = append(cfg.DialOptions, grpc.WithUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if method == "/etcdserverpb.Lease/LeaseGrant" {
				if done := l.done.Swap(nil); done != nil {
					<-*done
					return status.Error(codes.InvalidArgument, "late")
				}
			}
			return next(ctx, method, req, reply, cc, opts...)
		}))
}

func TestARestartOfTheWholeClusterKeepsSlotsAndPlaces(t *testing.T) {
	t.Parallel()
	c, err := etcdtest.Start(1)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	prefix := newPrefix()
	n := network(t, c)
	src := newSource(t, connect(t, c, over(n, "source")), prefix, slot.Keyed("k:", 1), etcd.WithLease(30*time.Second))
	peer := newSource(t, connect(t, c, over(n, "peer")), prefix, slot.Keyed("k:", 1), etcd.WithLease(30*time.Second))
	held := claim(t, src, "x")
	first, second := queued(t, peer, "x"), queued(t, src, "x")
	n.SetServer(nil)
	n.Reset(faultnet.Everybody) // a member that stops waits for its clients to go
	waitFor(t, "nobody is connected", func() bool { return n.Connections(faultnet.Everybody) == 0 })
	c.Stop(0)
	require.NoError(t, c.StartMembers())
	n.SetServer(dialer(c))
	require.NoError(t, held.Context().Err())
	require.NoError(t, held.Release())
	require.NoError(t, grantOf(t, first).Release())
	require.NoError(t, grantOf(t, second).Release())
}

// loseMoves has the answers to moves of abandoned slots never arrive, once they were
// carried out.
func loseMoves(cfg *clientv3.Config) {
	cfg.DialOptions = append(cfg.DialOptions, grpc.WithUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			err := next(ctx, method, req, reply, cc, opts...)
			if txn, ok := req.(*pb.TxnRequest); ok && len(txn.Success) == 1 && len(txn.Failure) == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return err
		}))
}

// Nobody renews the lease that the slot has moved to, so whoever believes that it is on
// the session's lease would go on when somebody else has it.
func TestAMoveOfWhichNobodyIsToldCounts(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	src := newSource(t, connect(t, single, loseMoves), prefix, slot.Keyed("k:", 1), etcd.WithRequestTimeout(500*time.Millisecond), etcd.WithLease(short))
	peer := newSource(t, connect(t, single), prefix, slot.Keyed("k:", 1), etcd.WithLease(short))
	s := claim(t, src, "x")
	other := claim(t, src, "y")
	next := queued(t, peer, "x")
	s.(slot.Abandoner).Abandon()
	granted := grantOf(t, next)
	require.Error(t, s.Context().Err(), "its context ended before somebody else was granted it")
	require.NoError(t, other.Context().Err())
	require.NoError(t, granted.Release())
}
