package engine

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse takes any URL apart. One that is accepted has a host and a port for each
// server, and is taken apart in the same way once more.
func FuzzParse(f *testing.F) {
	for _, url := range []string{"127.0.0.1:6388", "[::1]:1", ":6388", "dflockd://host:0", "etcd://a:1,b:2", "redis://a:6379/3", "redis://:hush@a:1", "a b:1"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		a, err := parse(url)
		if err != nil {
			require.ErrorContains(t, err, "want ")
			return
		}
		for _, server := range a.hosts {
			host, _, err := net.SplitHostPort(server)
			require.NoError(t, err)
			require.NotEmpty(t, host)
		}
		again, err := parse(string(a.kind) + "://" + strings.Join(a.hosts, ",") + "/" + a.path)
		require.NoError(t, err)
		require.Equal(t, a, again)
	})
}
