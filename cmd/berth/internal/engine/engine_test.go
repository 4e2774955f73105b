package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnAddressIsTakenApart(t *testing.T) {
	for text, want := range map[string]engine.Address{
		"dflockd://a:1":              {Scheme: "dflockd", Hosts: []string{"a:1"}},
		"dflockd://a,b:2/":           {Scheme: "dflockd", Hosts: []string{"a", "b:2"}, Path: "/"},
		"etcd://[::1]:1/app?x=1&y":   {Scheme: "etcd", Hosts: []string{"[::1]:1"}, Path: "/app"},
		"dflockd:///run/d/socket":    {Scheme: "dflockd", Path: "/run/d/socket"},
		"redis://h:1/0?strict=false": {Scheme: "redis", Hosts: []string{"h:1"}, Path: "/0"},
	} {
		got, err := engine.ParseAddress(text)
		require.NoError(t, err, text)
		require.NotNil(t, got.Options)
		got.Options = nil
		require.Equal(t, want, got)
	}
}

func TestAURLThatCannotBeSaysWhatToDo(t *testing.T) {
	folder := t.TempDir()
	empty := filepath.Join(folder, "empty")
	require.NoError(t, os.WriteFile(empty, []byte(" \n"), 0o600))
	for _, tc := range []struct {
		settings engine.Settings
		says     string
	}{
		{engine.Settings{}, "no engine is named: use --engine or the variable BERTH_ENGINE"},
		{engine.Settings{URL: "127.0.0.1:6388"}, `is no URL: write it as dflockd://127.0.0.1:6388`},
		{engine.Settings{URL: "zookeeper://h"}, `there is no engine "zookeeper": the URL of one begins with dflockd:// or etcd:// or redis://`},
		{engine.Settings{URL: "dflockd://"}, "has no host"},
		{engine.Settings{URL: "dflockd://a,,b"}, "has an empty host"},
		{engine.Settings{URL: "dflockd://a/b"}, "a Unix socket is written as dflockd:///b"},
		{engine.Settings{URL: "dflockd://a:b"}, "has no port from 1 to 65535"},
		{engine.Settings{URL: "dflockd://a?stict=1"}, `has an option "stict": dflockd:// has strict, fence, cluster, orphan-time, plaintext-auth`},
		{engine.Settings{URL: "dflockd://a?strict=maybe"}, "it is true or false"},
		{engine.Settings{URL: "dflockd://a?cluster&orphan-time=5"}, "it is a time such as 30s"},
		{engine.Settings{URL: "etcd://a?x"}, `etcd:// has user`},
		{engine.Settings{URL: "etcd://a", Secret: "hush"}, "give both, ?user=name in the URL and --secret-file"},
		{engine.Settings{URL: "etcd://a", Lease: time.Second}, "--lease: 1s is not between"},
		{engine.Settings{URL: "redis://a/x"}, "it is the number of a database"},
		{engine.Settings{URL: "redis://a,b"}, "those of a Redis Cluster (?cluster), or of Sentinel (?master=name)?"},
		{engine.Settings{URL: "redis://a?prefix="}, "the prefix in the URL: the prefix is empty"},
		{engine.Settings{URL: "redis://:hush@a"}, "use --secret-file"},
		{engine.Settings{URL: "dflockd://:hush@a"}, "use --secret-file"},
		{engine.Settings{URL: "dflockd://a", SecretFile: filepath.Join(folder, "none")}, "no such file"},
		{engine.Settings{URL: "dflockd://a", SecretFile: empty}, "is empty"},
		{engine.Settings{URL: "dflockd://a", TLS: engine.TLS{CA: empty}}, "has no certificate in PEM"},
		{engine.Settings{URL: "dflockd://a", TLS: engine.TLS{Cert: empty}}, "needs both --tls-cert and --tls-key"},
		{engine.Settings{URL: "dflockd://a", Secret: "hush"}, "use --tls, or ?plaintext-auth in the URL if the network is trusted"},
	} {
		_, err := engine.Open(tc.settings, slot.Fixed("k", 1))
		require.Error(t, err, tc.settings.URL)
		require.Contains(t, engine.Words(err.Error()), tc.says)
		require.NotContains(t, err.Error(), "hush")
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	s := engine.Settings{Secret: "hush"}
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s.Secret, s.Secret), "hush")
}

func TestKeysThatAreInUseAreListed(t *testing.T) {
	ctx := context.Background()
	srv, err := server.Start(ctx, server.WithAddress("127.0.0.1:0"), server.WithSecret("hush"))
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("hush\nan older one\n"), 0o600))
	e, err := engine.Open(engine.Settings{URL: "dflockd://" + srv.Addr().String(), SecretFile: file}, slot.Keyed("", 2))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close(ctx)) })
	require.NoError(t, e.Ping(ctx))
	ticket, err := e.Enqueue(ctx, "builds")
	require.NoError(t, err)
	_, err = ticket.Wait(ctx)
	require.NoError(t, err)
	keys, err := e.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []engine.Key{{Server: srv.Addr().String(), Key: "builds", Limit: 2, Held: 1}}, keys)
}

func TestAUnixSocketIsReached(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "s")
	srv, err := server.Start(ctx, server.WithInMemory(), server.WithUnixSocket(path, 0o600))
	if err != nil {
		t.Skipf("no Unix sockets here: %v", err)
	}
	t.Cleanup(srv.Close)
	e, err := engine.Open(engine.Settings{URL: "dflockd://" + path}, slot.Fixed("k", 1))
	require.NoError(t, err)
	require.NoError(t, e.Ping(ctx))
	require.NoError(t, e.Close(ctx))
}

func TestRedisIsAnEngine(t *testing.T) {
	ctx := context.Background()
	srv := miniredis.NewMiniRedis()
	srv.RequireAuth("hush")
	require.NoError(t, srv.Start())
	defer srv.Close()
	e, err := engine.Open(engine.Settings{URL: "redis://" + srv.Addr() + "/3?prefix=test:", Secret: "hush", Name: "me", Admin: true}, slot.Fixed("k", 1))
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close(ctx)) }()
	require.NoError(t, e.Ping(ctx))
	ticket, err := e.Enqueue(ctx, "")
	require.NoError(t, err)
	s, err := ticket.Wait(ctx)
	require.NoError(t, err)
	state, err := slot.Inspect(ctx, e, "")
	require.NoError(t, err)
	require.Equal(t, "me", state.Holders[0].Name)
	require.NoError(t, slot.Pause(ctx, e, "", time.Hour), "a person who asks is an administrator")
	require.NotEmpty(t, srv.DB(3).Keys())
	require.NoError(t, s.Release())
	_, err = e.List(ctx)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestAnEtcdThatIsNotThereIsUnavailable(t *testing.T) {
	ctx := context.Background()
	e, err := engine.Open(engine.Settings{URL: "etcd://127.0.0.1:1/app", Patience: 50 * time.Millisecond}, slot.Fixed("k", 1))
	require.NoError(t, err)
	_, err = e.Enqueue(ctx, "")
	require.ErrorIs(t, err, slot.ErrUnavailable)
	require.ErrorIs(t, e.Ping(ctx), slot.ErrUnavailable)
	_, err = e.List(ctx)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, e.Close(ctx))
}
