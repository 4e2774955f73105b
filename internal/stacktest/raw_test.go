package stacktest_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A rawConn speaks the protocol without a client's care: one request, one
// answer.
type rawConn struct {
	nc     net.Conn
	r      *bufio.Reader
	grants []*grant
}

func dialRaw(t *testing.T, dial func(context.Context) (net.Conn, error)) *rawConn {
	t.Helper()
	nc, err := dial(t.Context())
	require.NoError(t, err)
	return &rawConn{nc: nc, r: bufio.NewReader(nc)}
}

func (c *rawConn) close() { _ = c.nc.Close() }

// ask sends a request and returns the words of its answer.
func (c *rawConn) ask(t *testing.T, command, key, format string, args ...any) []string {
	t.Helper()
	_, err := fmt.Fprintf(c.nc, "%s\n%s\n%s\n", command, key, fmt.Sprintf(format, args...))
	require.NoError(t, err)
	answer, err := c.r.ReadString('\n')
	require.NoErrorf(t, err, "answer to %s", command)
	words := strings.Fields(answer)
	require.NotEmptyf(t, words, "answer to %s: %q", command, answer)
	return words
}

// granted returns the token and the lease of an answer that is a grant.
func granted(t *testing.T, answer []string) (token string, lease time.Duration, ok bool) {
	t.Helper()
	if answer[0] != "ok" && answer[0] != "acquired" {
		return "", 0, false
	}
	require.Len(t, answer, 3)
	require.Len(t, answer[1], 32)
	seconds, err := strconv.Atoi(answer[2])
	require.NoError(t, err)
	return answer[1], time.Duration(seconds) * time.Second, true
}

func TestServerThatIsDeafToHelloSpeaksTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, immediate, 1, time.Second)
		defer w.close()
		dial := func(ctx context.Context) (net.Conn, error) { return w.net.Dial(ctx, "a") }
		for _, c := range []struct {
			original bool
			hello    string
		}{{true, "error"}, {false, "ok"}} {
			w.original = c.original
			conn := dialRaw(t, dial)
			require.Equal(t, c.hello, conn.ask(t, "hello", "_", "1")[0])
			answer := conn.ask(t, "sl", "k", "0 1 9")
			require.Equal(t, "ok", answer[0])
			require.Equal(t, "ok", conn.ask(t, "sr", "k", "%s", answer[1])[0])
			conn.close()
		}
	})
}
