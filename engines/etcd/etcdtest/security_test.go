package etcdtest_test

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
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/engines/etcd/etcdtest"
	"github.com/berth-go/berth/slot"
)

// secured starts a member with TLS and users, and returns the client's side of TLS.
func secured(t *testing.T) (*etcdtest.Cluster, *tls.Config) {
	cert, key, pool := certificate(t)
	c, err := etcdtest.Start(1, func(cfg *embed.Config) {
		cfg.ListenClientUrls[0].Scheme = "https"
		cfg.AdvertiseClientUrls[0].Scheme = "https"
		cfg.BcryptCost = 4 // the cheapest
		cfg.ClientTLSInfo.CertFile, cfg.ClientTLSInfo.KeyFile = cert, key
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, &tls.Config{RootCAs: pool}
}

// certificate writes a certificate for this machine.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etcdtest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	folder := t.TempDir()
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600))
	pool = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool.AddCert(parsed)
	return certFile, keyFile, pool
}

func TestAUserNeedsNoMoreThanThePrefix(t *testing.T) {
	t.Parallel()
	c, config := secured(t)
	as := func(user, password string) func(*clientv3.Config) {
		return func(cfg *clientv3.Config) { cfg.TLS, cfg.Username, cfg.Password = config, user, password }
	}
	ctx := t.Context()
	admin := connect(t, c, as("", ""))
	addUser(t, admin, "root", "root")
	addUser(t, admin, "berth", "mine")
	_, err := admin.RoleGrantPermission(ctx, "berth", "mine/", clientv3.GetPrefixRangeEnd("mine/"), clientv3.PermissionType(clientv3.PermReadWrite))
	require.NoError(t, err)
	_, err = admin.AuthEnable(ctx)
	require.NoError(t, err)
	root := connect(t, c, as("root", "root"))

	nobody := newSource(t, connect(t, c, as("", "")), "mine/", slot.Keyed("k:", 1))
	_, err = nobody.Enqueue(ctx, "x")
	require.ErrorIs(t, err, etcd.ErrAuth)
	require.True(t, slot.IsPermanent(err))
	client := connect(t, c, as("berth", "mine"))
	elsewhere := newSource(t, client, "other/", slot.Keyed("k:", 1))
	_, err = elsewhere.Enqueue(ctx, "x")
	require.ErrorIs(t, err, etcd.ErrAuth)
	require.True(t, slot.IsPermanent(err))
	require.ErrorIs(t, elsewhere.Pause(ctx, "x", time.Second), slot.ErrNotAllowed)

	src := newSource(t, client, "mine/", slot.Keyed("k:", 1), etcd.WithLease(short))
	held := claim(t, src, "x")
	next := queued(t, src, "x")
	require.NoError(t, src.Pause(ctx, "y", time.Second))
	_, err = src.Inspect(ctx, "x")
	require.NoError(t, err)
	require.NoError(t, held.Release())
	held = grantOf(t, next)

	_, err = root.RoleRevokePermission(ctx, "berth", "mine/", clientv3.GetPrefixRangeEnd("mine/"))
	require.NoError(t, err)
	_, err = src.Enqueue(ctx, "x")
	require.ErrorIs(t, err, etcd.ErrAuth)
	require.ErrorIs(t, err, slot.ErrUnavailable)
	require.False(t, slot.IsPermanent(err), "it was right once")
	<-held.Context().Done() // what cannot be looked at cannot be relied on
	require.ErrorIs(t, context.Cause(held.Context()), slot.ErrLost)
	_, err = root.RoleGrantPermission(ctx, "berth", "mine/", clientv3.GetPrefixRangeEnd("mine/"), clientv3.PermissionType(clientv3.PermReadWrite))
	require.NoError(t, err)
	waitFor(t, "work goes on", func() bool {
		s, ok, err := src.Try(ctx, "z")
		return err == nil && ok && s.Release() == nil
	})
}

// addUser adds a user with a role and a password of the same name.
func addUser(t *testing.T, admin *clientv3.Client, name, password string) {
	t.Helper()
	_, err := admin.RoleAdd(t.Context(), name)
	require.NoError(t, err)
	_, err = admin.UserAdd(t.Context(), name, password)
	require.NoError(t, err)
	_, err = admin.UserGrantRole(t.Context(), name, name)
	require.NoError(t, err)
}

// An oldMember says its version, and nothing else.
type oldMember struct {
	pb.UnimplementedMaintenanceServer
	version string
}

func (o *oldMember) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Header: &pb.ResponseHeader{}, Version: o.version}, nil
}

// startOld starts such a member, and returns its address.
func startOld(t *testing.T, version string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer()
	pb.RegisterMaintenanceServer(srv, &oldMember{version: version})
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return "http://" + l.Addr().String()
}

func TestAMemberBefore3_5_14IsRefused(t *testing.T) {
	old := startOld(t, "3.5.13")
	src := newSource(t, connect(t, single, func(cfg *clientv3.Config) { cfg.Endpoints = []string{old} }), newPrefix(), slot.Keyed("k:", 1), etcd.WithLogger(discard))
	for range 2 {
		_, err := src.Enqueue(t.Context(), "x")
		require.ErrorIs(t, err, etcd.ErrVersion)
		require.ErrorContains(t, err, "3.5.13")
		require.ErrorContains(t, err, old)
		require.True(t, slot.IsPermanent(err))
	}
}

// The member that is new enough may have answered first: the other counts when it is
// heard of.
func TestOneOldMemberOfSeveralIsFound(t *testing.T) {
	t.Parallel()
	old := startOld(t, "3.4.30")
	client := connect(t, single)
	src := newSource(t, client, newPrefix(), slot.Keyed("k:", 1), etcd.WithLogger(discard), etcd.WithLease(2*short))
	require.NoError(t, claim(t, src, "x").Release())
	client.SetEndpoints(append(client.Endpoints(), old)...)
	waitFor(t, "a claim is refused", func() bool {
		s, ok, err := src.Try(t.Context(), "x")
		if ok {
			_ = s.Release()
		}
		return err != nil && slot.IsPermanent(err)
	})
	client.SetEndpoints(single.Endpoints()...)
	require.NoError(t, claim(t, src, "x").Release(), "it is a member no more")
}
