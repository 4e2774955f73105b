package dflockd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
)

// certificate returns a certificate for a host or an address, and the pool
// that trusts it.
func certificate(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// ours is our server in memory.
func ours() *target {
	to := &target{}
	to.start = func(t *testing.T, s settings) []Option {
		opts := []server.Option{}
		if s.secret != "" {
			opts = append(opts, server.WithSecret(s.secret))
		}
		if s.tls != nil {
			opts = append(opts, server.WithTLS(s.tls))
		}
		_, ln := startServer(t, opts...)
		to.dial = newNetwork(ln.serve).dial
		return []Option{WithDialer(to.dial)}
	}
	return to
}

// binary is a dflockd program: the original one, or ours.
func binary(path string) *target {
	to := &target{original: true}
	to.start = func(t *testing.T, s settings) []Option {
		var args []string
		if s.secret != "" {
			args = append(args, "--auth-token", s.secret)
		}
		if s.tls != nil {
			cert, key := writePEM(t, s.tls.Certificates[0])
			args = append(args, "--tls-cert", cert, "--tls-key", key)
		}
		addr, _ := lockserver.Start(t, path, args...)
		to.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		}
		return []Option{WithServers(addr)}
	}
	return to
}

func writePEM(t *testing.T, c tls.Certificate) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600))
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return cert, key
}

func TestEveryRow(t *testing.T) {
	for name, r := range rows {
		for kind, f := range map[string]func(*testing.T, *target){"does": r.does, "default": r.byDefault, "refused": r.refuses} {
			if f != nil {
				t.Run(name+"/"+kind, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { f(t, ours()) })
				})
			}
		}
	}
}

func TestEveryRowAgainstTheOriginalServer(t *testing.T) {
	path := lockserver.Original(t)
	for name, r := range rows {
		for kind, f := range map[string]func(*testing.T, *target){"does": r.does, "default": r.byDefault, "refused": r.refuses} {
			if f != nil {
				t.Run(name+"/"+kind, func(t *testing.T) { f(t, binary(path)) })
			}
		}
	}
}

// TestTableOfRowsIsTested compares the table in the package documentation with
// the tests: each row that the one has, the other has, and a cell is "-"
// where and only where there is no test.
func TestTableOfRowsIsTested(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	tested := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^//\t([^|\n]+)\|([^|\n]+)\|([^|\n]+)\|([^|\n]+)$`).FindAllStringSubmatch(string(doc), -1) {
		cell := func(i int) string { return strings.TrimSpace(m[i]) }
		name := cell(1)
		if name == "there" {
			continue
		}
		r, ok := rows[name]
		require.True(t, ok, "row %q has no tests", name)
		require.NotNil(t, r.does, name)
		require.Equal(t, cell(3) == "-", r.byDefault == nil, "default of %q", name)
		require.Equal(t, cell(4) == "-", r.refuses == nil, "refusal of %q", name)
		tested[name] = true
	}
	require.Len(t, tested, len(rows), strconv.Itoa(len(tested))+" rows are documented")
}
