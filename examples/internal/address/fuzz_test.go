package address

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCheck looks at any address. One that is fine has a host and a port.
func FuzzCheck(f *testing.F) {
	for _, a := range []string{"127.0.0.1:6388", "[::1]:1", ":6388", "host:0", "host:65536", "a b:1", "host:+5"} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := Check(text); err != nil {
			require.ErrorContains(t, err, "want host:port")
			return
		}
		host, port, err := net.SplitHostPort(text)
		require.NoError(t, err)
		require.NotEmpty(t, host)
		_, err = net.LookupPort("tcp", port)
		require.NoError(t, err)
	})
}
