package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/internal/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerWritesWhatItDoesAtTheEndOfItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	for i := range 2 {
		require.NoError(t, run("127.0.0.1:0", i == 0, 3*time.Second, file, strings.NewReader("")))
	}
	in, err := os.Open(file)
	require.NoError(t, err)
	defer in.Close()
	events, err := trace.Read(in)
	require.NoError(t, err)
	var kinds []trace.Kind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	require.Equal(t, []trace.Kind{trace.Restart, trace.Drain, trace.Restart, trace.Drain}, kinds)
}
