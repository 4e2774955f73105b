package redis

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// A cluster is three servers that share the keys.
type cluster struct {
	t     *testing.T
	nodes []*program
	addrs []string
}

func startCluster(t *testing.T, settings ...string) *cluster {
	t.Helper()
	needServer(t)
	c := &cluster{t: t}
	for range 3 {
		port := clusterPort(t)
		c.nodes = append(c.nodes, startServer(t, append([]string{
			"--cluster-enabled", "yes", "--port", port, "--bind", "127.0.0.1", "--cluster-node-timeout", "1000",
		}, settings...)...))
		c.addrs = append(c.addrs, net.JoinHostPort("127.0.0.1", port))
	}
	for i, node := range c.nodes {
		one := node.client()
		first, last := i*hashSlots/3, (i+1)*hashSlots/3-1
		require.NoError(t, one.ClusterAddSlotsRange(t.Context(), first, last).Err())
		for _, other := range c.addrs {
			host, port, _ := net.SplitHostPort(other)
			require.NoError(t, one.ClusterMeet(t.Context(), host, port).Err())
		}
		require.NoError(t, one.Close())
	}
	for _, node := range c.nodes {
		one := node.client()
		require.Eventually(t, func() bool {
			text, err := one.ClusterInfo(t.Context()).Result()
			return err == nil && strings.Contains(text, "cluster_state:ok") && strings.Contains(text, "cluster_known_nodes:3")
		}, 30*time.Second, 10*time.Millisecond, node.log())
		require.NoError(t, one.Close())
	}
	return c
}

// clusterPort returns a free port whose other one, for what nodes say to each other, is
// free too.
func clusterPort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port, err := strconv.Atoi(freePort(t))
		require.NoError(t, err)
		if port+10000 > 65535 {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+10000)); err == nil {
			require.NoError(t, l.Close())
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no free pair of ports")
	return ""
}

func (c *cluster) source(t *testing.T, limits slot.Limits, opts ...Option) *Source {
	t.Helper()
	client := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: c.addrs})
	t.Cleanup(func() { _ = client.Close() })
	s, err := NewSource(client, limits, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func TestSourceOnACluster(t *testing.T) {
	c := startCluster(t)

	t.Run("keeps the promises of a source", func(t *testing.T) {
		number := 0
		slottest.Run(t, func(t *testing.T) slottest.Harness {
			number++ // so that the checks use keys all over the cluster
			limits := slot.Keyed(fmt.Sprintf("%d:", number), 2)
			return slottest.Harness{
				Source: c.source(t, limits, WithLease(realLease)), Peer: c.source(t, limits, WithLease(realLease)),
				FIFO: true, Prompt: true, Abandon: true, Pace: true, Ignore: ofTheClient, BadKeys: badKeys,
			}
		})
	})

	t.Run("hears of grants on each node", func(t *testing.T) {
		limits := slot.Keyed("", 1)
		a, b := c.source(t, limits, WithLease(longestLease)), c.source(t, limits, WithLease(longestLease))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // 30 renewals would take longer
		defer cancel()
		for i := range 30 {
			key := fmt.Sprint("key", i)
			first, ok, err := a.Try(ctx, key)
			require.NoError(t, err)
			require.True(t, ok)
			ticket, err := b.Enqueue(ctx, key)
			require.NoError(t, err)
			require.NoError(t, first.Release())
			got, err := ticket.Wait(ctx)
			require.NoError(t, err)
			require.NoError(t, got.Release())
		}
	})

	t.Run("looks at the settings of each node", func(t *testing.T) {
		require.ErrorIs(t, c.source(t, slot.Fixed("k", 1), WithDurable()).Ping(t.Context()), ErrNotDurable)
		for i, node := range c.nodes {
			one := node.client()
			require.NoError(t, one.ConfigSet(t.Context(), "appendonly", "yes").Err())
			require.NoError(t, one.ConfigSet(t.Context(), "appendfsync", "always").Err())
			require.NoError(t, one.Close())
			err := c.source(t, slot.Fixed("k", 1), WithDurable()).Ping(t.Context())
			require.Equal(t, i == 2, err == nil, "%v", err)
		}
	})

	t.Run("goes on with the keys of the others when a node is down", func(t *testing.T) {
		for _, node := range c.nodes {
			one := node.client()
			require.NoError(t, one.ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err())
			require.NoError(t, one.Close())
		}
		s := c.source(t, slot.Keyed("", 1))
		c.nodes[0].kill()
		alive, dead := 0, 0
		for i := 0; alive < 10 || dead == 0; i++ {
			require.Less(t, i, 100, "%d of the keys are on living nodes, %d on the dead one", alive, dead)
			got, ok, err := s.Try(t.Context(), fmt.Sprint("k", i))
			if !ok {
				require.ErrorIs(t, err, slot.ErrUnavailable)
				dead++
				continue
			}
			alive++
			require.NoError(t, got.Release())
		}
	})
}
