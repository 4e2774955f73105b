package dflockd

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConnectionsDoNotWaitLongForAVanishedServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	c, err := newConfig(nil)
	require.NoError(t, err)
	nc, err := c.dial(t.Context(), "tcp", ln.Addr().String())
	require.NoError(t, err)
	defer nc.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	option := func(level, name int) (value int) {
		require.NoError(t, raw.Control(func(fd uintptr) {
			value, err = syscall.GetsockoptInt(int(fd), level, name)
			require.NoError(t, err)
		}))
		return value
	}
	require.Equal(t, 1, option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE))
	require.Equal(t, 5, option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE))
	require.Equal(t, 2, option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL))
	require.Equal(t, 3, option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT))
	require.Equal(t, 11_000, option(syscall.IPPROTO_TCP, userTimeout), "ms that a request may stay unacknowledged")
}
