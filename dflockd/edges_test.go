package dflockd

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestOptionsThatAreNilAreRefused(t *testing.T) {
	for says, o := range map[string]Option{"the function is nil": WithDialer(nil), "the logger is nil": WithLogger(nil)} {
		_, err := NewSource(slot.Fixed("k", 1), o)
		require.ErrorContains(t, err, says)
	}
}

// What is printed names what it is, whatever the verb: it is used by others meanwhile,
// and it knows secrets.
func TestASourceAndASemaphoreArePrintedByName(t *testing.T) {
	const secret = "open sesame"
	src, err := NewSource(slot.Fixed("k", 1), WithServers("127.0.0.1:1"), WithAuth(secret))
	require.NoError(t, err)
	defer src.Close(t.Context())
	sem, err := NewSemaphore("report", 2, WithServers("127.0.0.1:1"), WithAuth(secret))
	require.NoError(t, err)
	defer sem.Close()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		text := fmt.Sprintf(verb+" "+verb, src, sem)
		require.Equal(t, `dflockd source of 127.0.0.1:1 dflockd semaphore or lock "report"`, text)
		require.False(t, strings.Contains(text, secret))
	}
}

func TestTheServerOfAKeyIsItsPartition(t *testing.T) {
	src, err := NewSource(slot.Keyed("k:", 1), WithServers("127.0.0.1:1", "127.0.0.1:2"))
	require.NoError(t, err)
	defer src.Close(t.Context())
	require.Contains(t, []string{"127.0.0.1:1", "127.0.0.1:2"}, src.Partition("a"))
	require.Equal(t, src.Partition("a"), src.Partition("a"))
	require.Empty(t, src.Partition(""), "a key that cannot be used is nowhere")
}

func TestAnEnqueueWhoseContextEndsBeforeAnAnswerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }() // ends with the connection
			return ours, nil
		}
		s, err := NewSemaphore("k", 1, WithDialer(silent))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = s.Enqueue(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, s.Close())
	})
}
