package dflockd

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

func TestAServerCanAskForTheClientsCertificate(t *testing.T) {
	cert, pool := certificate(t, "127.0.0.1")
	stranger, _ := certificate(t, "127.0.0.1")
	srv, err := server.Start(t.Context(), server.WithAddress("127.0.0.1:0"), server.WithTLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}))
	require.NoError(t, err)
	defer srv.Close()
	for name, tc := range map[string]struct {
		certs []tls.Certificate
		ok    bool
	}{"known": {[]tls.Certificate{cert}, true}, "stranger": {[]tls.Certificate{stranger}, false}, "none": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			src, err := NewSource(slot.Fixed("k", 1), WithServers(srv.Addr().String()),
				WithTLS(&tls.Config{RootCAs: pool, Certificates: tc.certs}))
			require.NoError(t, err)
			defer src.Close(t.Context())
			s, free, err := slot.Try(t.Context(), src, "")
			if !tc.ok {
				require.ErrorIs(t, err, slot.ErrUnavailable)
				return
			}
			require.NoError(t, err)
			require.True(t, free)
			require.NoError(t, s.Release())
		})
	}
}
