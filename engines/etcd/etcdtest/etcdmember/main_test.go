package main

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/internal/stacktest/lockserver"
)

func TestMain(m *testing.M) {
	if strconv.IntSize < 64 {
		fmt.Println("left out: etcd's server does not run on 32-bit processors")
		return
	}
	goleak.VerifyTestMain(m)
}

func TestAMemberServesUntilItsInputEnds(t *testing.T) {
	in, end := io.Pipe()
	says, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(in, out, "", "") }()
	endpoint, err := bufio.NewReader(says).ReadString('\n')
	require.NoError(t, err)
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{strings.TrimSpace(endpoint)}})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Put(t.Context(), "k", "v")
	require.NoError(t, err)
	require.NoError(t, end.Close())
	require.NoError(t, <-ended)
}

func TestAMemberServesAndKeepsItsDataWhereItIsTold(t *testing.T) {
	addr, dir := lockserver.FreeAddress(t), t.TempDir()
	t.Setenv("TMPDIR", dir) // run sets it; this sets it back
	in, end := io.Pipe()
	says, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(in, out, addr, dir) }()
	endpoint, err := bufio.NewReader(says).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "http://"+addr+"\n", endpoint)
	require.DirExists(t, filepath.Join(dir, "member"))
	require.NoError(t, end.Close())
	require.NoError(t, <-ended)
}
