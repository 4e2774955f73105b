package etcdtest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// waitFor waits until a condition holds.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 2*time.Minute, 5*time.Millisecond, what)
}

// claim claims a slot, and waits for it.
func claim(t testing.TB, src slot.Source, key string) slot.Slot {
	t.Helper()
	return grantOf(t, enqueue(t, src, key))
}

func enqueue(t testing.TB, src slot.Source, key string) slot.Ticket {
	t.Helper()
	ticket, err := src.Enqueue(t.Context(), key)
	require.NoError(t, err)
	return ticket
}

// queued enqueues a claim that cannot be granted now.
func queued(t testing.TB, src slot.Source, key string) slot.Ticket {
	t.Helper()
	ticket := enqueue(t, src, key)
	_, ok := ticket.Slot()
	require.False(t, ok, "the claim was granted at once")
	return ticket
}

func grantOf(t testing.TB, ticket slot.Ticket) slot.Slot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := ticket.Wait(ctx)
	require.NoError(t, err)
	return s
}

// keysBelow counts the claims below a prefix.
func keysBelow(t testing.TB, client *clientv3.Client, prefix string) int {
	t.Helper()
	r, err := client.Get(t.Context(), prefix+"l/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	require.NoError(t, err)
	return int(r.Count)
}

// A counter counts the requests of a client, by their method.
type counter struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *counter) add(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = make(map[string]int)
	}
	c.calls[method[strings.LastIndexByte(method, '/')+1:]]++
}

func (c *counter) count(method string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[method]
}

func (c *counter) attach(cfg *clientv3.Config) {
	cfg.DialOptions = append(cfg.DialOptions,
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			c.add(method)
			return next(ctx, method, req, reply, cc, opts...)
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			c.add(method)
			return next(ctx, desc, cc, method, opts...)
		}))
}

func TestClaimsThatAreUnderWayTogetherShareTransactions(t *testing.T) {
	var calls counter
	src := newSource(t, connect(t, single, calls.attach), newPrefix(), slot.Keyed("k:", 1), etcd.WithLease(time.Minute))
	claim(t, src, "first") // opens the session
	before := calls.count("Txn")
	var wg sync.WaitGroup
	const claims = 90
	for i := range claims {
		wg.Go(func() {
			s, err := src.Enqueue(t.Context(), fmt.Sprint(i%30))
			if err == nil {
				_ = s.Close()
			}
		})
	}
	wg.Wait()
	require.Less(t, calls.count("Txn")-before, claims/3)
	require.Zero(t, calls.count("Put"))
	require.Equal(t, 1, calls.count("LeaseGrant"))
}

// slowRemovals has transactions that remove something and claim nothing wait for the
// next one, or for a moment if there is none.
type slowRemovals struct {
	sent chan struct{} // one has been sent
	next chan struct{}
}

func (r *slowRemovals) attach(cfg *clientv3.Config) {
	cfg.DialOptions = append(cfg.DialOptions, grpc.WithUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			txn, ok := req.(*pb.TxnRequest)
			switch {
			case !ok || len(txn.Success) == 0:
			case txn.Success[len(txn.Success)-1].GetRequestDeleteRange() != nil:
				r.sent <- struct{}{}
				select {
				case <-r.next:
				case <-time.After(30 * time.Millisecond):
				}
			default:
				err := next(ctx, method, req, reply, cc, opts...)
				select {
				case r.next <- struct{}{}:
				default:
				}
				return err
			}
			return next(ctx, method, req, reply, cc, opts...)
		}))
}

func TestAReleaseAndTheClaimThatFollowsItAreSeenInThatOrder(t *testing.T) {
	slow := &slowRemovals{make(chan struct{}, 1), make(chan struct{})}
	src := newSource(t, connect(t, single, slow.attach), newPrefix(), slot.Keyed("k:", 1), etcd.WithLease(time.Minute))
	for range 10 {
		ticket := enqueue(t, src, "x")
		s, ok := ticket.Slot()
		require.True(t, ok, "the claim was queued behind a slot that was released before it")
		require.NoError(t, s.Release())
		<-slow.sent
	}
}

func TestKeysAreUsedAgain(t *testing.T) {
	client, prefix := connect(t, single), newPrefix()
	src := newSource(t, client, prefix, slot.Keyed("k:", 2))
	seen := map[string]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := client.Watch(ctx, prefix+"l/", clientv3.WithPrefix(), clientv3.WithCreatedNotify(), clientv3.WithFilterDelete())
	require.True(t, (<-watch).Created)
	const rounds, workers = 50, 4
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				if s, err := claimOnce(ctx, src, "x"); err == nil {
					_ = s.Release()
				}
			}
		})
	}
	wg.Wait()
	for puts := 0; puts < rounds*workers; {
		for _, e := range (<-watch).Events {
			seen[string(e.Kv.Key)] = true
			puts++
		}
	}
	// One that is being removed, beside one that is claimed, for each worker.
	require.LessOrEqual(t, len(seen), 2*workers)
	waitFor(t, "the last release is carried out", func() bool { return keysBelow(t, client, prefix) == 0 })
}

// A key that is there would give its place in line to whoever puts it again.
func TestAPlaceIsNeverInheritedFromAKeyThatIsThereAlready(t *testing.T) {
	client, prefix := connect(t, single), newPrefix()
	src := newSource(t, client, prefix, slot.Keyed("k:", 1))
	held := claim(t, src, "y")
	r, err := client.Get(t.Context(), prefix+"l/", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Len(t, r.Kvs, 1)
	stray := strings.Replace(string(r.Kvs[0].Key), "k%3Ay", "k%3Ax", 1) // what the next claim of x would be called
	_, err = client.Put(t.Context(), stray, "")
	require.NoError(t, err)
	before := r.Header.Revision + 1
	s := claim(t, src, "x")
	require.Greater(t, s.Info().Fence>>8, uint64(before))
	waitFor(t, "the stray one is gone", func() bool { return keysBelow(t, client, prefix) == 2 })
	require.NoError(t, s.Context().Err())
	require.NoError(t, held.Context().Err())
}

func TestASlotThatNobodyAsksForGoesBack(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	src := newSource(t, connect(t, single), prefix, slot.Keyed("k:", 1), etcd.WithLease(short))
	peer := newSource(t, connect(t, single), prefix, slot.Keyed("k:", 1), etcd.WithLease(short))
	held := claim(t, src, "z")
	ticket := enqueue(t, src, "x")
	require.NoError(t, grantOf(t, queued(t, peer, "x")).Release())
	_, err := ticket.Wait(t.Context())
	require.ErrorIs(t, err, slot.ErrUnavailable)
	_, ok := ticket.Slot()
	require.False(t, ok)
	require.NoError(t, held.Context().Err(), "what was taken stays")
}

func claimOnce(ctx context.Context, src slot.Source, key string) (slot.Slot, error) {
	ticket, err := src.Enqueue(ctx, key)
	if err != nil {
		return nil, err
	}
	return ticket.Wait(ctx)
}

// A teller is a claimant that counts what it is told.
type teller struct {
	granted chan slot.Slot
	refused atomic.Int32
}

func (h *teller) Granted(s slot.Slot) { h.granted <- s }
func (h *teller) Refused(error)       { h.refused.Add(1) }

func TestManyWhoWaitCostOneWatchAndNoGoroutineEach(t *testing.T) {
	var calls counter
	src := newSource(t, connect(t, single, calls.attach), newPrefix(), slot.Keyed("k:", 1), etcd.WithLease(time.Minute))
	first := claim(t, src, "x")
	grant := grantOf(t, firstInLine(t, src, first)) // the watch is there
	const waiters = 1000
	before := runtime.NumGoroutine()
	h := &teller{granted: make(chan slot.Slot, waiters)}
	places := make([]slot.Place, waiters)
	for i := range places {
		var err error
		places[i], err = src.Join(t.Context(), "x", h)
		require.NoError(t, err)
	}
	waitFor(t, "all are in line", func() bool {
		state, err := src.Inspect(t.Context(), "x")
		return err == nil && state.Waiting == waiters
	})
	require.Less(t, runtime.NumGoroutine(), before+50)
	require.Equal(t, 1, calls.count("Watch"))
	for range 5 {
		require.NoError(t, grant.Release())
		grant = <-h.granted
	}
	for _, p := range places {
		p.Leave()
	}
	require.NoError(t, grant.Release())
	waitFor(t, "all have left", func() bool {
		state, err := src.Inspect(t.Context(), "x")
		return err == nil && state.Waiting+state.Held == 0
	})
	require.EqualValues(t, waiters, int(h.refused.Load())+5)
}

// firstInLine returns a claim that waits and is granted the slot of s.
func firstInLine(t *testing.T, src slot.Source, s slot.Slot) slot.Ticket {
	ticket := queued(t, src, "x")
	require.NoError(t, s.Release())
	return ticket
}

func TestATicketTellsHowManyWaitInFrontOfIt(t *testing.T) {
	src := newSource(t, connect(t, single), newPrefix(), slot.Keyed("k:", 2))
	for range 2 {
		_, ok := slot.Ahead(enqueue(t, src, "x"))
		require.False(t, ok, "a claim that is granted at once has no place in line")
	}
	for i := range 3 {
		n, ok := slot.Ahead(queued(t, src, "x"))
		require.True(t, ok)
		require.Equal(t, i, n)
	}
}

// Each claim draws its limit. Whoever holds a slot was promised that no more are held
// than its own limit says.
func TestEveryClaimKeepsItsOwnLimitAndNobodyStarves(t *testing.T) {
	seed := faultnet.Seed(t)
	prefix := newPrefix()
	var mu sync.Mutex
	held := map[slot.Slot]int{}
	var workers sync.WaitGroup
	for i := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, i))
		var drawing sync.Mutex
		src := newSource(t, connect(t, single), prefix, slot.LimitBy(func(key string) (string, int, error) {
			var n int
			_, err := fmt.Sscan(key, &n)
			return "shared", n, err
		}))
		for range 3 {
			workers.Go(func() {
				for range 30 {
					drawing.Lock()
					limit := 1 + random.IntN(3)
					drawing.Unlock()
					s, err := claimOnce(t.Context(), src, fmt.Sprint(limit))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					held[s] = limit
					for other, n := range held {
						if other.Context().Err() == nil && len(held) > n {
							t.Errorf("%d slots are held beside one that was claimed with limit %d", len(held), n)
						}
					}
					mu.Unlock()
					runtime.Gosched()
					mu.Lock()
					delete(held, s)
					mu.Unlock()
					if err := s.Release(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	workers.Wait()
}

func TestAJobOfAPoolRunsUnderASlotOfEtcd(t *testing.T) {
	src := newSource(t, connect(t, single), newPrefix(), slot.Keyed("k:", 2))
	p, err := pool.New(8, pool.WithSlots(src))
	require.NoError(t, err)
	var running, most, done atomic.Int32
	for range 200 {
		p.Go(func(context.Context) error {
			for n := running.Add(1); n > most.Load(); {
				most.Store(n)
			}
			running.Add(-1)
			done.Add(1)
			return nil
		}, pool.Key("x"))
	}
	require.NoError(t, p.Shutdown(t.Context()))
	require.EqualValues(t, 200, done.Load())
	require.LessOrEqual(t, most.Load(), int32(2))
}

func TestAFunctionOfTheUsersThatPanicsCostsNoSlot(t *testing.T) {
	src := newSource(t, connect(t, single), newPrefix(), slot.Keyed("k:", 1), etcd.WithLogger(discard))
	boom := func(time.Time) { panic("boom") }
	ctx := slot.WithTrace(t.Context(), &slot.Trace{Queued: boom, Granted: boom, Confirmed: boom})
	s, err := claimOnce(ctx, src, "x")
	require.NoError(t, err)
	_, err = src.Join(t.Context(), "x", panicking{})
	require.NoError(t, err)
	_, err = src.Join(t.Context(), "x", exiting{})
	require.NoError(t, err)
	require.NoError(t, s.Release())
	require.NoError(t, claim(t, src, "x").Release())
	_, err = src.Join(t.Context(), "x", nil)
	require.ErrorContains(t, err, "needs a claimant")
	require.True(t, slot.IsPermanent(err))
}

type panicking struct{}

func (panicking) Granted(slot.Slot) { panic("boom") }
func (panicking) Refused(error)     { panic("boom") }

type exiting struct{}

func (exiting) Granted(slot.Slot) { runtime.Goexit() }
func (exiting) Refused(error)     { runtime.Goexit() }

func TestErrorsSayWhatForWhichKeyAndWhere(t *testing.T) {
	src := newSource(t, connect(t, single), newPrefix(), slot.Keyed("k:", 1))
	ctx, cancel := context.WithCancelCause(t.Context())
	gaveUp := errors.New("gave up")
	cancel(gaveUp)
	_, err := src.Enqueue(ctx, "x")
	require.ErrorIs(t, err, gaveUp)
	require.NoError(t, src.Close(t.Context()))
	_, err = src.Enqueue(t.Context(), "x")
	require.EqualError(t, err, `etcd: claim "k:x" at `+single.Endpoints()[0]+": closed")
	require.ErrorIs(t, err, etcd.ErrClosed)
	var e *etcd.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "k:x", e.Key)
	_, err = src.Inspect(t.Context(), "x")
	require.ErrorIs(t, err, slot.ErrClosed)
	require.Equal(t, "etcd source of "+single.Endpoints()[0], fmt.Sprint(src))
}

func TestATraceIsToldOfEachStepOfItsClaim(t *testing.T) {
	t.Parallel()
	src := newSource(t, connect(t, single), newPrefix(), slot.Keyed("k:", 1), etcd.WithLease(2*short))
	told := make(chan string, 100)
	at := func(step string) func(time.Time) { return func(time.Time) { told <- step } }
	ctx := slot.WithTrace(t.Context(), &slot.Trace{
		Queued: at("queued"), Granted: at("granted"), Confirmed: at("confirmed"),
		Renewed: func(_ time.Duration, err error) { told <- fmt.Sprint("renewed ", err) },
	})
	first := claim(t, src, "x")
	ticket, err := src.Enqueue(ctx, "x")
	require.NoError(t, err)
	require.NoError(t, first.Release())
	s := grantOf(t, ticket)
	for _, step := range []string{"queued", "granted", "confirmed", "renewed <nil>", "renewed <nil>"} {
		require.Equal(t, step, <-told)
	}
	in := s.Info()
	require.Equal(t, 1, in.Limit)
	require.True(t, in.ExpiresAt.After(time.Now()))
	require.NoError(t, s.Release())
}
