package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// certificate makes one that signs itself, for server and client alike.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLSServesAndRefusesOldVersions(t *testing.T) {
	cert, pool := certificate(t)
	s, err := Start(context.Background(), WithAddress("127.0.0.1:0"), WithTLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	require.NoError(t, err)
	defer s.Close()
	cfg := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	nc, err := tls.Dial("tcp", s.Addr().String(), cfg)
	require.NoError(t, err)
	defer func() { _ = nc.Close() }()
	newClient(t, nc).grant("l|k|0")

	old := cfg.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	_, err = tls.Dial("tcp", s.Addr().String(), old)
	require.Error(t, err)

	plain, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer func() { _ = plain.Close() }()
	c := newClient(t, plain)
	c.send("l|k|0")
	_, err = c.r.ReadString('\n')
	require.Error(t, err)
}

func TestMutualTLSLetsInOnlyKnownCertificates(t *testing.T) {
	cert, pool := certificate(t)
	stranger, _ := certificate(t)
	s, err := Start(context.Background(), WithAddress("127.0.0.1:0"), WithTLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}))
	require.NoError(t, err)
	defer s.Close()
	for name, tc := range map[string]struct {
		certs []tls.Certificate
		ok    bool
	}{"known": {[]tls.Certificate{cert}, true}, "stranger": {[]tls.Certificate{stranger}, false}, "none": {nil, false}} {
		nc, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "localhost", Certificates: tc.certs})
		if err == nil {
			_, _ = nc.Write([]byte("ping\n_\n_\n"))
			_, err = newClient(t, nc).r.ReadString('\n')
			_ = nc.Close()
		}
		require.Equal(t, tc.ok, err == nil, name)
	}
}

func TestSilentHandshakeIsCutOff(t *testing.T) {
	cert, pool := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithTLS(&tls.Config{Certificates: []tls.Certificate{cert}}), WithPreAuthTimeout(3*time.Second))
		begin := time.Now()
		dial(t, s).eof()
		require.Equal(t, 3*time.Second, time.Since(begin))

		secured := tls.Client(dial(t, s).Conn, &tls.Config{RootCAs: pool, ServerName: "localhost"})
		c := newClient(t, secured)
		c.grant("l|k|0")
		time.Sleep(23 * time.Second)
		require.Equal(t, "error", c.line())
		c.eof()
	})
}

func TestClientWithoutTLSIsAnsweredByAnAlert(t *testing.T) {
	cert, _ := certificate(t)
	s, err := Start(context.Background(), WithAddress("127.0.0.1:0"), WithTLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	require.NoError(t, err)
	defer s.Close()
	plain, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer func() { _ = plain.Close() }()
	_, err = io.WriteString(plain, "l\nk\n0\n")
	require.NoError(t, err)
	answer := make([]byte, 7)
	_, err = io.ReadFull(plain, answer)
	require.NoError(t, err)
	require.Equal(t, []byte{21, 3, 1, 0, 2, 2, 40}, answer, "a fatal alert: the handshake failed")
	_, err = plain.Read(answer)
	require.Error(t, err)
}
