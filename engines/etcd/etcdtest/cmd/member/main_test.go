package main

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/berth-go/berth/internal/stacktest/lockserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAMemberServesUntilItsContextEnds(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("etcd's server does not run on 32-bit processors")
	}
	addr := lockserver.FreeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, addr, t.TempDir()) }()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + addr}, Logger: zap.NewNop()})
	require.NoError(t, err)
	_, err = client.Put(t.Context(), "k", "v")
	require.NoError(t, err)
	require.NoError(t, client.Close())
	stop()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
}

func TestWithoutAnAddressNothingIsServed(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), "", t.TempDir()), "-addr")
	require.ErrorContains(t, run(t.Context(), "127.0.0.1:1", ""), "-dir")
}
