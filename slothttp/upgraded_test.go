package slothttp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slothttp"
)

// upgrade begins an upgraded connection whose server sends back what it reads.
func upgrade(t *testing.T, ctx context.Context) (*site, *http.Response) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
		_, _ = io.Copy(nc, rw)
	}))
	t.Cleanup(srv.Close)
	s := newSite(t, srv, 1)
	req := s.request(t, ctx, "/")
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := s.client.Do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	return s, resp
}

func TestAnUpgradedConnectionHoldsItsSlotUntilItIsClosed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, resp := upgrade(t, ctx)
	require.Zero(t, free(t, s.src))
	conn := resp.Body.(io.ReadWriteCloser)
	lines := bufio.NewReader(conn)
	require.Equal(t, "hello\n", readLine(t, lines))
	cancel() // the connection is the caller's now
	_, err := io.WriteString(conn, "after\n")
	require.NoError(t, err)
	require.Equal(t, "after\n", readLine(t, lines))
	require.Zero(t, free(t, s.src))

	require.NoError(t, resp.Body.(interface{ CloseWrite() error }).CloseWrite())
	_, err = lines.ReadByte()
	require.Equal(t, io.EOF, err)
	require.Zero(t, free(t, s.src), "the end of what is read is not that of the connection")
	require.NoError(t, conn.Close())
	require.Equal(t, 1, free(t, s.src))
}

func readLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	return line
}

func TestALostSlotClosesAnUpgradedConnection(t *testing.T) {
	s, resp := upgrade(t, t.Context())
	conn := resp.Body.(io.ReadWriteCloser)
	lines := bufio.NewReader(conn)
	require.Equal(t, "hello\n", readLine(t, lines))
	defer conn.Close()
	read := make(chan error, 1)
	go func() {
		_, err := lines.ReadByte()
		read <- err
	}()
	s.src.Expire("k")
	require.Eventually(t, func() bool { return len(read) == 1 }, aWhile, time.Millisecond)
	require.ErrorIs(t, <-read, slot.ErrLost)
	_, err := io.WriteString(conn, "after\n")
	require.ErrorIs(t, err, slot.ErrLost)
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, conn.Close())
	require.Equal(t, 1, free(t, s.src))
}

func TestAnUpgradedConnectionThatNobodyHasAnyMoreIsClosed(t *testing.T) {
	collectByHand(t)
	log := captureLog(t)
	slothttp.ForgetWhatWasSaid()
	s, _ := upgrade(t, t.Context())
	require.Zero(t, free(t, s.src))
	collectUntilFree(t, s, 1)
	require.Eventually(t, func() bool { return log.lines() == 1 }, aWhile, time.Millisecond)
}
