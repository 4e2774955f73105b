package server

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// FuzzConnection sends arbitrary bytes to a server, whole and in pieces. Both
// must give the same answers, each a line of the protocol, at most one for a
// request; and when the client has gone the server holds nothing.
func FuzzConnection(f *testing.F) {
	for _, text := range []string{
		"l\nk\n0\nl\nk\n5\nr\nk\n00000000000000000000000000000000\n",
		"#1 se\nk\n1\n#2 se\nk\n1\n#2 sw\nk\n9\n#2 x\nk\n\n#1 x\nk\n\n",
		"e\nk\n\ne\nk\n\nw\nk\n0\nstats\n_\n_\nping\n_\n_\nhello\n_\n1\n",
		"sl\ns\n1 2 3\r\nsl\ns\n0 3\nse\ns\n2\nauth\n_\nx\n\n\n\nq\n\n\n",
		"hello\n_\n1 limits fields name=a:1\nsl\nk\n0 2\nsl\nk\n0 3\n#1 se\nk\n1\npause\nk\n50\ninspect\nk\n_\nrevoke\nk\n0000000000000001\n#1 x\nk\n\n",
		"sl\nk\n0 2\nhello\n_\n1 limits\nsl\nk\n0 3\npause\nk\n0\npause\nj\n5 00000000000000000000000000000001\nauth\n_\nx\n",
		"hello\n_\n1 fields\n#1 pe\nk\n2 1000000000 1\n#2 pe\nk\n2 50 2 9\n#2 sw\nk\n1\npl\nk\n0 2 1000 1\npl\nk\n0 2 0 1\n#1 x\nk\n\n",
		"l\n" + strings.Repeat("k", 257) + "\n0\n",
	} {
		f.Add([]byte(text), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		data = data[:min(len(data), 8<<10)]
		synctest.Test(t, func(t *testing.T) {
			whole := converse(t, data, math.MaxInt)
			pieces := converse(t, data, int(size)+1)
			require.Equal(t, whole, pieces)
		})
	})
}

// converse sends data in pieces of size and returns the sorted statuses of
// the answers.
func converse(t *testing.T, data []byte, size int) (statuses []string) {
	s, err := Start(context.Background(), WithInMemory(), WithMaxLocks(4), WithMaxWaiters(4))
	require.NoError(t, err)
	defer s.Close()
	nc, err := s.Dial(context.Background())
	require.NoError(t, err)
	for piece := range slices.Chunk(data, size) {
		if _, err := nc.Write(piece); err != nil {
			break // it was cut off
		}
		synctest.Wait()
	}
	require.NoError(t, nc.(interface{ CloseWrite() error }).CloseWrite())
	answers, err := io.ReadAll(nc)
	if err != nil {
		require.ErrorIs(t, err, net.ErrClosed)
	}
	require.NoError(t, nc.Close())
	synctest.Wait()
	st := s.Stats()
	require.Zero(t, st.Connections)
	require.Zero(t, st.Keys)

	for line := range bytes.Lines(answers) {
		require.True(t, bytes.HasSuffix(line, []byte("\n")), "half a line: %q", line)
		_, line, ok := wire.CutTag(bytes.TrimSuffix(line, []byte("\n")))
		require.True(t, ok)
		status, _, _ := strings.Cut(string(line), " ")
		statuses = append(statuses, status)
		_, err := wire.ParseReply(wire.SemLock, line)
		if status != "ok" && status != "acquired" && status != "queued" {
			require.NoError(t, err, "%q", line)
		}
	}
	require.LessOrEqual(t, len(statuses), bytes.Count(data, []byte("\n"))/3+1)
	slices.Sort(statuses)
	return statuses
}
