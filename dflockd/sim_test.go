package dflockd

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// restarts is a server that can be replaced by a new one that knows nothing.
type restarts struct {
	opts []server.Option
	mu   sync.Mutex
	srv  *server.Server
	ln   *pipeListener
}

func (r *restarts) start(t *testing.T, opts ...server.Option) {
	ln := newPipeListener()
	srv, err := server.Start(context.Background(), append(append(opts, r.opts...), server.WithListener(ln))...)
	require.NoError(t, err)
	r.mu.Lock()
	r.srv, r.ln = srv, ln
	r.mu.Unlock()
}

func (r *restarts) serve(c net.Conn) {
	r.mu.Lock()
	ln := r.ln
	r.mu.Unlock()
	ln.serve(c)
}

func (r *restarts) stop() {
	r.mu.Lock()
	srv := r.srv
	r.mu.Unlock()
	srv.Close()
}

// holders counts the slots whose contexts have not ended.
type holders struct {
	mu     sync.Mutex
	slots  []slot.Slot
	most   int
	claims int
}

func (h *holders) add(s slot.Slot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	live := h.slots[:0]
	for _, s := range h.slots {
		if s.Context().Err() == nil {
			live = append(live, s)
		}
	}
	h.slots = append(live, s)
	h.most = max(h.most, len(h.slots))
	h.claims++
}

func (h *holders) count() (claims, most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.claims, h.most
}

// work claims and releases until ctx ends.
func (h *holders) work(ctx context.Context, t *testing.T, src *Source, r *rand.Rand) {
	for ctx.Err() == nil {
		s, err := acquire(ctx, src)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, slot.ErrUnavailable) {
				t.Errorf("a fault that is none: %v", err)
			}
			pause(ctx, 200*time.Millisecond)
			continue
		}
		h.add(s)
		pause(s.Context(), time.Duration(r.IntN(3000))*time.Millisecond)
		_ = s.Release()
	}
}

// TestStrictLimitHoldsUnderFaults is an hour of faults between two clients and
// a strict server that is restarted too. The limit is never passed, and work
// goes on after each fault.
func TestStrictLimitHoldsUnderFaults(t *testing.T) {
	seed := faultnet.Seed(t)
	synctest.Test(t, func(t *testing.T) {
		const limit, workers, lease = 3, 6, 5 * time.Second
		r := rand.New(rand.NewPCG(seed, 0))
		srv := &restarts{opts: []server.Option{server.WithAutoRelease(false)}}
		srv.start(t)
		var h holders
		var wg sync.WaitGroup
		var nets []*network
		var sources []*Source
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 2 {
			n := newNetwork(srv.serve)
			dial := DialFunc(n.dial)
			if i == 1 {
				dial = original(dial) // one client has tagged requests, the other has not
			}
			src, err := NewSource(slot.Fixed("k", limit), WithDialer(dial), WithLease(lease))
			require.NoError(t, err)
			nets, sources = append(nets, n), append(sources, src)
			for w := range workers {
				wr := rand.New(rand.NewPCG(seed, uint64(10*i+w+1)))
				wg.Go(func() { h.work(ctx, t, src, wr) })
			}
		}
		end := time.Now().Add(time.Hour)
		for time.Now().Before(end) {
			n := nets[r.IntN(2)]
			d := time.Duration(r.IntN(8000)) * time.Millisecond
			switch r.IntN(7) {
			case 0:
				n.reset()
			case 1:
				n.halfClose()
			case 2:
				n.set(func() { n.silent = true })
			case 3:
				n.set(func() { n.frozen = true })
			case 4:
				n.set(func() { n.delay = time.Duration(r.IntN(3000)) * time.Millisecond })
			case 5:
				n.set(func() { n.hang, n.split = true, !n.split })
			case 6:
				srv.stop()
				time.Sleep(d / 4)
				srv.start(t, server.WithStartupGrace(lease))
			}
			time.Sleep(d)
			silent := n.silent
			n.heal()
			if silent {
				n.reset() // what was swallowed never arrives
			}
			before, _ := h.count()
			time.Sleep(2*lease + 3*time.Second)
			if after, _ := h.count(); after == before {
				t.Fatalf("no work after a fault, at %v", time.Now())
			}
		}
		cancel()
		wg.Wait()
		for i, src := range sources {
			_ = src.Close(context.Background())
			nets[i].reset()
		}
		srv.stop()
		claims, most := h.count()
		counts.Report(t, counts.Of{"claims": claims})
		require.Equal(t, limit, most)
	})
}

// TestFiftyRestartsUnderLoad restarts a server that releases on disconnect: the
// contexts end with the connections, and no claim is left without an answer.
func TestFiftyRestartsUnderLoad(t *testing.T) {
	seed := faultnet.Seed(t)
	synctest.Test(t, func(t *testing.T) {
		const limit, workers = 3, 12
		srv := &restarts{}
		srv.start(t)
		n := newNetwork(srv.serve)
		src, err := NewSource(slot.Fixed("k", limit), WithDialer(n.dial), WithLease(time.Minute))
		require.NoError(t, err)
		var h holders
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for w := range workers {
			wg.Go(func() { h.work(ctx, t, src, rand.New(rand.NewPCG(seed, uint64(w)))) })
		}
		for range 50 {
			time.Sleep(10 * time.Second)
			h.mu.Lock()
			live := h.slots
			h.mu.Unlock()
			srv.stop()
			synctest.Wait()
			for _, s := range live {
				require.Error(t, s.Context().Err(), "it ends with the connection")
			}
			before, _ := h.count()
			srv.start(t)
			time.Sleep(6 * time.Second)
			after, _ := h.count()
			require.Greater(t, after, before, "work goes on")
		}
		cancel()
		wg.Wait()
		require.NoError(t, src.Close(context.Background()))
		n.reset()
		srv.stop()
		_, most := h.count()
		require.LessOrEqual(t, most, limit)
	})
}

var helloLine = regexp.MustCompile(`ok 1 [^\n]*\n`)

// silentHello wraps a dialler so that the server seems to know no hello, as an
// original one does not.
func silentHello(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &helloless{c}, nil
	}
}

type helloless struct{ net.Conn }

func (c *helloless) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if helloLine.Match(b[:n]) {
		n = copy(b, helloLine.ReplaceAll(bytes.Clone(b[:n]), []byte("error\n")))
	}
	return n, err
}

func TestLongLeaseOutlivesTheReadTimeoutOfAServerThatDoesNotTellIt(t *testing.T) {
	for _, lease := range []time.Duration{time.Second, 46 * time.Second, time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			_, ln := startServer(t, server.WithReadTimeout(23*time.Second))
			src, err := NewSource(slot.Fixed("k", 1), WithDialer(silentHello(newNetwork(ln.serve).dial)), WithLease(lease))
			require.NoError(t, err)
			defer src.Close(context.Background())
			s := claimNow(t, src, "")
			require.Zero(t, s.Info().Fence, "a fence is not to be guessed")
			require.False(t, s.Info().Strict)
			for range 600 {
				time.Sleep(time.Second)
				require.NoError(t, s.Context().Err(), lease)
			}
			ticket, err := src.Enqueue(t.Context(), "")
			require.NoError(t, err)
			time.Sleep(10 * time.Minute)
			require.NoError(t, s.Release())
			_, err = ticket.Wait(t.Context())
			require.NoError(t, err, "a place in line is kept too")
		})
	}
}

func TestQueuedClaimsCostNoConnectionsWithTaggedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ln := startServer(t)
		n := newNetwork(ln.serve)
		src, err := NewSource(slot.Fixed("k", 1), WithDialer(n.dial))
		require.NoError(t, err)
		defer src.Close(context.Background())
		s := claimNow(t, src, "")
		var line []slot.Ticket
		for range 159 {
			ticket, err := src.Enqueue(t.Context(), "")
			require.NoError(t, err)
			line = append(line, ticket)
		}
		dials, _ := n.counts()
		require.Equal(t, 10, dials, "sixteen to a connection, the waiting ones too")
		time.Sleep(10 * time.Minute)
		for i, ticket := range line {
			if i%3 == 1 {
				require.NoError(t, ticket.Close())
				continue
			}
			require.NoError(t, s.Release())
			s, err = ticket.Wait(t.Context())
			require.NoError(t, err, "in order")
			if i%3 == 2 {
				time.Sleep(2 * time.Second)
			}
		}
		again, _ := n.counts()
		require.Equal(t, dials, again, "leaving the line closes no connection")
	})
}
