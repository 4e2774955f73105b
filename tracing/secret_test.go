package tracing_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// sentinel is a secret that would be recognised anywhere.
const sentinel = "SENTINEL-b3rth-s3cr3t"

// wiretap keeps what clients read from the server.
type wiretap struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (w *wiretap) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

// tokens returns the tokens of all slots that were granted.
func (w *wiretap) tokens() (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range regexp.MustCompile(`(?:ok|acquired) ([0-9a-f]{32})`).FindAllStringSubmatch(w.buf.String(), -1) {
		found = append(found, m[1])
	}
	return found
}

type tappedConn struct {
	net.Conn
	tap *wiretap
}

func (c *tappedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	_, _ = c.tap.Write(b[:n])
	return n, err
}

// Whatever goes wrong, a server's secret and the tokens of its slots must come
// out in no span and no metric.
func TestSecretsAndTokensStayOutOfSpansAndMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		srv, err := server.Start(ctx, server.WithInMemory(), server.WithSecret(sentinel))
		require.NoError(t, err)
		tap := &wiretap{}
		connect := func(secret string) *dflockd.Source {
			src, err := dflockd.NewSource(slot.Keyed("k:", 1), dflockd.WithAuth(secret),
				dflockd.WithServers("127.0.0.1:6388"),
				dflockd.WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
					conn, err := srv.Dial(ctx)
					return &tappedConn{conn, tap}, err
				}))
			require.NoError(t, err)
			return src
		}
		r := record(t)
		src, stranger := connect(sentinel), connect(sentinel+"-wrong")
		instrumented := r.Source(src)
		p := r.newPool(2, pool.WithSlots(instrumented), pool.FailAfter(time.Minute))
		require.Error(t, slot.Do(ctx, r.Source(stranger), "a", func(context.Context) error { return nil }))
		require.NoError(t, p.Submit(sleep(time.Minute), pool.Key("a")).Wait(ctx))
		lost := p.Submit(func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, pool.Key("a"))
		queued := p.Submit(sleep(time.Second), pool.Key("a"))
		time.Sleep(time.Minute)
		stop, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_ = srv.Shutdown(stop)
		require.ErrorIs(t, lost.Wait(ctx), slot.ErrLost)
		require.Error(t, queued.Wait(ctx), "the server is gone")
		require.NoError(t, p.Shutdown(ctx))
		require.NoError(t, instrumented.Close(ctx))
		require.NoError(t, stranger.Close(ctx))
		synctest.Wait()

		tokens := tap.tokens()
		require.GreaterOrEqual(t, len(tokens), 2)
		for _, secret := range append(tokens, sentinel) {
			for _, s := range r.spans.Ended() {
				text := fmt.Sprintf("%+v %+v %+v %+v %+v", s.Name(), s.Attributes(), s.Events(), s.Status(), s.Links())
				require.NotContains(t, text, secret)
			}
			for name, m := range r.metrics() {
				require.NotContains(t, fmt.Sprintf("%+v", m), secret, name)
			}
		}
	})
}
