package dflockd

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

func TestAnEmbeddedServerIsReachedWithoutANetwork(t *testing.T) {
	cert, pool := certificate(t, "localhost")
	for name, tc := range map[string]struct {
		server []server.Option
		client []Option
	}{
		"plain":           {[]server.Option{server.WithInMemory()}, nil},
		"with a secret":   {[]server.Option{server.WithInMemory(), server.WithSecret("secret")}, []Option{WithAuth("secret")}},
		"with TLS":        {[]server.Option{server.WithInMemory(), server.WithTLS(&tls.Config{Certificates: []tls.Certificate{cert}})}, []Option{WithTLS(&tls.Config{RootCAs: pool})}},
		"with a tcp port": {[]server.Option{server.WithAddress("127.0.0.1:0")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := server.Start(t.Context(), tc.server...)
			require.NoError(t, err)
			defer srv.Close()
			src, err := NewSource(slot.Keyed("", 1), append(tc.client, WithServer(srv))...)
			require.NoError(t, err)
			require.NoError(t, src.Ping(t.Context()))
			require.NoError(t, slot.Do(t.Context(), src, "k", func(context.Context) error {
				_, free, err := src.Try(t.Context(), "k")
				require.NoError(t, err)
				require.False(t, free)
				return nil
			}))
			require.NoError(t, src.Close(t.Context()))
		})
	}
}

func TestAnEmbeddedServerThatIsShutDownIsNamedInTheError(t *testing.T) {
	srv, err := server.Start(t.Context(), server.WithInMemory())
	require.NoError(t, err)
	srv.Close()
	lock, err := NewLock("k", WithServer(srv))
	require.NoError(t, err)
	_, err = lock.Acquire(t.Context())
	require.ErrorIs(t, err, slot.ErrUnavailable)
	require.ErrorContains(t, err, "the embedded server takes no connection (server: closed): has it been shut down before its clients?")
}

func TestAnEmbeddedServerIsTheOnlyOne(t *testing.T) {
	srv, err := server.Start(t.Context(), server.WithInMemory())
	require.NoError(t, err)
	defer srv.Close()
	var none *server.Server
	for want, opts := range map[string][]Option{
		"WithServer and WithServers exclude each other": {WithServer(srv), WithServers("a:1")},
		"WithServer and WithDialer exclude each other":  {WithDialer((&net.Dialer{}).DialContext), WithServer(srv)},
		"WithServer and WithCluster exclude each other": {WithCluster(), WithServer(srv)},
		"WithServer: the server is nil":                 {WithServer(none)},
		"dflockd: WithServer: the server is nil":        {WithServer(nil)},
		"dflockd: option 2 is nil":                      {WithServer(srv), nil},
	} {
		_, err := NewSource(slot.Keyed("", 1), opts...)
		require.ErrorContains(t, err, want)
		_, err = NewLock("k", opts...)
		require.ErrorContains(t, err, want)
	}
}
