package main

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
)

// The lock server writes its metrics by hand, in a module that has no client
// library. Here there is one: its parser reads the page, and its linter knows
// what people expect of names, units and types.
func TestMetricsOfTheLockServerAreReadAndLintedByTheClientLibrary(t *testing.T) {
	srv, err := server.Start(context.Background(), server.WithInMemory(), server.WithMetricsAddress("127.0.0.1:0"))
	require.NoError(t, err)
	defer srv.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://" + srv.MetricsAddr().String() + "/metrics")
	require.NoError(t, err)
	defer func() { _, _ = io.Copy(io.Discard, resp.Body); _ = resp.Body.Close() }()
	problems, err := promlint.New(resp.Body).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}
