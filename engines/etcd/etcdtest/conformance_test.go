package etcdtest_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/engines/etcd/etcdtest"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

func TestSourceKeepsThePromisesOfASource(t *testing.T) {
	for _, limit := range []int{1, 3} {
		slottest.Run(t, func(t *testing.T) slottest.Harness { return newHarness(t, single, limit) })
	}
}

// network returns a network to the first member.
func network(t testing.TB, c *etcdtest.Cluster) *faultnet.Net {
	n := faultnet.New(dialer(c))
	t.Cleanup(n.Close)
	return n
}

// dialer connects to the first member.
func dialer(c *etcdtest.Cluster) faultnet.DialFunc {
	address := strings.TrimPrefix(c.Endpoints()[0], "http://")
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// over has a client connect through a network, as a machine.
func over(n *faultnet.Net, machine string) func(*clientv3.Config) {
	return func(cfg *clientv3.Config) {
		cfg.Endpoints = cfg.Endpoints[:1]
		cfg.DialOptions = append(cfg.DialOptions, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return n.Dial(ctx, machine)
		}))
	}
}

func newHarness(t *testing.T, c *etcdtest.Cluster, limit int) slottest.Harness {
	n := network(t, c)
	prefix := newPrefix()
	limits := slot.Keyed("k:", limit)
	operator := connect(t, c)
	client, peer := connect(t, c, over(n, "source")), connect(t, c)
	src := newSource(t, client, prefix, limits, etcd.WithLease(short))
	return slottest.Harness{
		Source: src, Peer: newSource(t, peer, prefix, limits, etcd.WithLease(short)),
		FIFO: true, Strict: true, Fence: true, Prompt: true, Abandon: true, Inspect: true, Control: true, Pace: true,
		OwnLimits: func(n int) slot.Source { return newSource(t, peer, prefix, slot.Keyed("k:", n), etcd.WithLease(short)) },
		TakeAway:  func(key string) { takeAway(t, operator, prefix, limit) },
		Expire:    func(string) { endLeases(t, operator, prefix) },
		Silence:   func() { n.Set("source", faultnet.Conditions{HoldUp: true, HoldDown: true}) },
		Heal:      func() { n.Set("source", faultnet.Conditions{}) },
		Break:     func() { n.Reset("source") },
		BadKeys:   []string{"", strings.Repeat("x", 1025)},
		Ignore:    notOurs, Within: 10 * time.Second,
	}
}

// takeAway deletes the keys of those that hold slots.
func takeAway(t testing.TB, operator *clientv3.Client, prefix string, limit int) {
	t.Helper()
	r, err := operator.Get(t.Context(), prefix+"l/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
	require.NoError(t, err)
	for _, kv := range r.Kvs[:limit] {
		_, err := operator.Delete(t.Context(), string(kv.Key))
		require.NoError(t, err)
	}
}

// endLeases ends the leases of all sources of a prefix.
func endLeases(t testing.TB, operator *clientv3.Client, prefix string) {
	t.Helper()
	r, err := operator.Get(t.Context(), prefix+"s/", clientv3.WithPrefix())
	require.NoError(t, err)
	for _, kv := range r.Kvs {
		_, err := operator.Revoke(t.Context(), clientv3.LeaseID(kv.Lease))
		require.NoError(t, err)
	}
}
