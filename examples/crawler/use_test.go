package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/crawler/internal/site"
	"github.com/berth-go/berth/examples/internal/progress"
	"github.com/berth-go/berth/slot"
)

// inMemory listens for connections that are made by its own dial.
type inMemory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   atomic.Bool
}

func (m *inMemory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
		return ours, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *inMemory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *inMemory) Close() error {
	if !m.once.Swap(true) {
		close(m.closed)
	}
	return nil
}

func (m *inMemory) Addr() net.Addr  { return m }
func (m *inMemory) Network() string { return "memory" }
func (m *inMemory) String() string  { return "site.memory" }

// folders is a site of n hosts with so many pages each.
func folders(n, pages int) fstest.MapFS {
	files := fstest.MapFS{}
	for i := range n {
		for j := range pages {
			files[fmt.Sprintf("src/host%d/page%d.go", i, j)] = &fstest.MapFile{Data: []byte("package x")}
		}
	}
	return files
}

// Where nothing takes time but the pages themselves, every slot that is given back
// has its next request at once, from whatever worker process.
func TestAllSlotsAreInUseWhilePagesAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := parse([]string{"-pages", "600"}, io.Discard)
		require.NoError(t, err)
		l := &inMemory{conns: make(chan net.Conn), closed: make(chan struct{})}
		local := site.Serve(l, folders(20, 40), 1, s.slots)
		defer local.Close()
		srv, err := server.Start(t.Context(), server.WithInMemory(), server.WithDefaultLease(lease), server.WithAutoRelease(false))
		require.NoError(t, err)
		defer srv.Close()
		silence, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		require.NoError(t, err)
		defer silence.Close()
		toServer := func(ctx context.Context, _, _ string) (net.Conn, error) { return srv.Dial(ctx) }
		o := outside{dial: l.dial, source: func(s pipe.Setup, l dflockd.Limits) (slot.Source, error) {
			return dflockd.NewSource(l, dflockd.WithServers(s.Server), dflockd.WithLease(s.Lease), dflockd.WithDialer(toServer))
		}}
		top, err := url.Parse(local.URL())
		require.NoError(t, err)
		var kills int32
		w := &world{starts: []*url.URL{top}, local: local, server: "memory:1", launch: inProcess(o, &kills)}
		c := newCrawl(s, w, progress.New(silence), nil)
		require.NoError(t, c.run())

		r := c.report()
		t.Log(r)
		require.Zero(t, kills)
		require.Empty(t, r.faults())
		require.Equal(t, 600, r.counts.Fetched)
		require.Greater(t, r.seen.Wanted, time.Second)
		require.GreaterOrEqual(t, r.seen.Met, r.seen.Wanted*95/100)
	})
}
