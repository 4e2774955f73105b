package etcdtest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/slot"
)

// An order has the requests of a client, by their methods, in the order in which they
// were made.
type order struct {
	mu    sync.Mutex // guards asked
	asked []string
}

func (o *order) attach(cfg *clientv3.Config) {
	note := func(method string) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked = append(o.asked, method[len("/etcdserverpb."):])
	}
	cfg.DialOptions = append(cfg.DialOptions,
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			note(method)
			return next(ctx, method, req, reply, cc, opts...)
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			note(method)
			return next(ctx, desc, cc, method, opts...)
		}))
}

const (
	askTxn   = "KV/Txn"
	askRenew = "Lease/LeaseKeepAlive"
)

// ofABeat is what a source asks in a beat: it renews its lease, looks at a hundred claims
// with each request, and at fifty lines.
func ofABeat(claims, lines int) int { return 1 + (claims+99)/100 + (lines+49)/50 }

// beats returns what was asked for in each whole beat so far: between two renewals.
func (o *order) beats() (beats [][]string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	begin := -1
	for i, method := range o.asked {
		if method != askRenew {
			continue
		}
		if begin >= 0 {
			beats = append(beats, slices.Clone(o.asked[begin:i]))
		}
		begin = i
	}
	return beats
}

func (o *order) count(method string) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range o.asked {
		if m == method {
			n++
		}
	}
	return n
}

func (o *order) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = nil
}

// The figures of docs/engines.md: what claims, held slots and waiters ask of etcd is
// counted at three sizes. A source renews one lease, however much hangs on it.
func TestWhatClaimsSlotsAndWaitersAskOfEtcdIsCounted(t *testing.T) {
	t.Parallel()
	t.Run("a claim", func(t *testing.T) {
		var asked order
		src := newSource(t, connect(t, single, asked.attach), newPrefix(), slot.Keyed("k:", 1), etcd.WithLease(time.Hour))
		require.NoError(t, claim(t, src, "first").Release())
		asked.clear()
		const claims = 20
		for i := range claims {
			require.NoError(t, claim(t, src, fmt.Sprint(i)).Release())
		}
		require.LessOrEqual(t, asked.count(askTxn), 2*claims+1, "two requests a claim, and the release of the first")
		require.GreaterOrEqual(t, asked.count(askTxn), claims)
	})
	for _, n := range []int{10, 100, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			countEtcd(t, n)
		})
	}
}

func countEtcd(t *testing.T, n int) {
	var asked order
	src := newSource(t, connect(t, single, asked.attach), newPrefix(), slot.Keyed("k:", 1), etcd.WithLease(6*time.Second))
	places := make(chan slot.Ticket, n)
	for i := range n {
		go func() {
			ticket, err := src.Enqueue(t.Context(), fmt.Sprint(i))
			if err != nil {
				t.Error(err)
			}
			places <- ticket
		}()
	}
	for range n {
		_, ok := (<-places).Slot()
		require.True(t, ok)
	}
	asked.steady(t, ofABeat(n, n))

	var waiting []slot.Place
	nobody := &teller{granted: make(chan slot.Slot, n)}
	for range n {
		p, err := src.Join(t.Context(), "0", nobody)
		require.NoError(t, err)
		waiting = append(waiting, p)
	}
	waitFor(t, "all are in line", func() bool {
		state, err := src.Inspect(t.Context(), "0")
		return err == nil && state.Waiting == n
	})
	const watch = "Watch/Watch"
	waitFor(t, "the line is watched", func() bool { return asked.count(watch) == 1 })
	asked.steady(t, ofABeat(2*n, n))
	require.Zero(t, asked.count(watch), "one watch is enough for the line")
	for _, p := range waiting {
		p.Leave()
	}
}

// steady waits for a beat in which as much is asked as it should be.
func (o *order) steady(t *testing.T, want int) {
	t.Helper()
	o.clear()
	var beats [][]string
	require.Eventually(t, func() bool {
		beats = o.beats()
		return slices.ContainsFunc(beats, func(beat []string) bool { return len(beat) == want })
	}, time.Minute, 20*time.Millisecond, "a beat of %d requests", want)
	require.Equal(t, askRenew, beats[0][0])
}
