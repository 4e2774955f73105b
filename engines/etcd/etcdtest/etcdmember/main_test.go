package main

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestAMemberServesUntilItsInputEnds(t *testing.T) {
	in, end := io.Pipe()
	says, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(in, out) }()
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
