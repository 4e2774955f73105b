package engine

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAddress takes any URL of an engine apart. Of one that is fine each member has a
// host and a port, and only Redis has a path.
func FuzzAddress(f *testing.F) {
	for _, url := range []string{"127.0.0.1:6388", "[::1]:1", "dflockd://h:1/", "etcd://a:1,b:2", "redis://h:1/7", "redis://h:1/-7", "etcd://h:1/x", "zookeeper://h:1"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		a, err := parse(url)
		if err != nil {
			require.NotContains(t, err.Error(), "\n", "one line")
			return
		}
		require.NotEmpty(t, a.hosts)
		for _, member := range a.hosts {
			host, port, err := net.SplitHostPort(member)
			require.NoError(t, err)
			require.NotEmpty(t, host)
			require.NotEqual(t, "0", port)
		}
		require.True(t, a.path == "" || a.kind == Redis)
	})
}
