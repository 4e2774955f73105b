package etcd

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berth-go/berth/slot"
)

// newClient returns a client that has nothing to talk to.
func newClient(t *testing.T) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"127.0.0.1:1"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestWhatCannotWorkIsAnErrorOfTheConstructor(t *testing.T) {
	client := newClient(t)
	good := slot.Keyed("k:", 1)
	for text, c := range map[string]struct {
		client *clientv3.Client
		limits slot.Limits
		option Option
	}{
		"the client is nil":                 {nil, good, WithName("x")},
		"no limits are given":               {client, slot.Limits{}, WithName("x")},
		"the limit is 0":                    {client, slot.Keyed("k:", 0), WithName("x")},
		"more than 1024":                    {client, slot.Fixed(strings.Repeat("x", 1025), 1), WithName("x")},
		"option 1 is nil":                   {client, good, nil},
		"WithLease: 1s is not between":      {client, good, WithLease(time.Second)},
		"WithLease: 48h0m0s is not between": {client, good, WithLease(48 * time.Hour)},
		"WithRequestTimeout: 0s":            {client, good, WithRequestTimeout(0)},
		"WithName: the name \"a b\"":        {client, good, WithName("a b")},
		"WithLogger: the logger is nil":     {client, good, WithLogger(nil)},
		"WithPrefix: the prefix is empty":   {client, good, WithPrefix("")},
		"does not end in a slash":           {client, good, WithPrefix("berth")},
	} {
		_, err := NewSource(c.client, c.limits, c.option)
		require.ErrorContains(t, err, text)
		require.ErrorContains(t, err, "etcd: ")
	}
	_, err := NewSource(nil, slot.Limits{}, WithLease(0), nil)
	for _, text := range []string{"the client is nil", "no limits", "WithLease", "option 2 is nil"} {
		require.ErrorContains(t, err, text)
	}
}

func TestALeaseIsRoundedUpToWholeSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int64{2 * time.Second: 2, 2*time.Second + 1: 3, 9999 * time.Millisecond: 10, longestLease: 86400} {
		c, err := newConfig([]Option{WithLease(d)})
		require.NoError(t, err)
		require.Equal(t, want, c.leaseSeconds())
	}
}

func TestTheLimitOfAKeyIsKnownWithoutEtcd(t *testing.T) {
	src, err := NewSource(newClient(t), slot.LimitBy(func(key string) (string, int, error) { return key, len(key), nil }))
	require.NoError(t, err)
	n, ok := src.Limit("abc")
	require.True(t, ok)
	require.Equal(t, 3, n)
	_, ok = src.Limit("")
	require.False(t, ok)
	_, ok = src.Limit(strings.Repeat("x", longestName+1))
	require.False(t, ok)
	require.NoError(t, src.Close(t.Context()))
	src, err = NewSource(newClient(t), slot.Fixed("f", math.MaxInt))
	require.NoError(t, err)
	_, err = src.Enqueue(t.Context(), "x")
	require.ErrorContains(t, err, "is above")
	require.True(t, slot.IsPermanent(err))
	require.NoError(t, src.Close(t.Context()))
}
