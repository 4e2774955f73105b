package etcdtest_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/engines/etcd/etcdtest"
	"github.com/berth-go/berth/slot"
)

// single is one member that the tests share. Each has a prefix of its own there. Those
// that mostly wait run at once, when those are done that count goroutines.
var single *etcdtest.Cluster

func TestMain(m *testing.M) {
	if code, is := memberFromEnv(); is {
		os.Exit(code)
	}
	if strconv.IntSize < 64 {
		fmt.Println("left out: etcd's server does not run on 32-bit processors")
		return
	}
	var err error
	if single, err = etcdtest.Start(1); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	single.Close()
	// A member that was closed ends in its own time, which is long on a busy machine.
	for range 20 {
		if err = goleak.Find(); err == nil {
			break
		}
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var lastPrefix atomic.Int64

// newPrefix returns a prefix that no other test uses.
func newPrefix() string { return fmt.Sprintf("test%d/", lastPrefix.Add(1)) }

// connect returns a client of a cluster.
func connect(t testing.TB, c *etcdtest.Cluster, change ...func(*clientv3.Config)) *clientv3.Client {
	t.Helper()
	client, err := c.Client(change...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// short is the lease of sources whose leases a test waits for. It is long enough for a
// machine that is busy: a lease that is not renewed in time is lost.
const short = 3 * time.Second

// newSource returns a source with leases that no test outlives, unless it says otherwise.
func newSource(t testing.TB, client *clientv3.Client, prefix string, limits slot.Limits, opts ...etcd.Option) *etcd.Source {
	t.Helper()
	opts = append([]etcd.Option{etcd.WithPrefix(prefix), etcd.WithLease(time.Minute)}, opts...)
	src, err := etcd.NewSource(client, limits, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = src.Close(t.Context()) })
	return src
}

// notOurs reports whether a goroutine is of the client or of the members.
func notOurs(stack string) bool {
	return !strings.Contains(stack, "berth/engines/etcd.") && !strings.Contains(stack, "berth/engines/etcd/etcdtest_test.")
}
