package stacktest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/internal/trace"
	"github.com/berth-go/berth/slot"
)

// A mode is what the server does with the slots of a connection that breaks.
type mode bool

const (
	immediate mode = false // gives them to the next in line
	strict    mode = true  // keeps them until their leases end
)

func (m mode) String() string {
	if m == strict {
		return "strict"
	}
	return "immediate"
}

// A world is a server and the machines that claim slots of it, in a bubble,
// with a network in between that can fail.
type world struct {
	t        *testing.T
	mode     mode
	limit    int
	lease    time.Duration
	original bool // the server does not say what it can do, as release 1.10
	net      *faultnet.Net
	rec      check.Recorder
	journal  *trace.Journal // nil: nothing is noted

	mu    sync.Mutex // guards what follows
	srv   *server.Server
	grant []granting
	tries map[string][]time.Time // of machine and key
}

// granting is a grant as its holder saw it.
type granting struct {
	machine, key string
	at           time.Time
	fence        uint64
}

var errOver = errors.New("the test is over")

// adminSecret is what whoever pauses keys and takes slots back shows.
const adminSecret = "zookeeper"

func newWorld(t *testing.T, m mode, limit int, lease time.Duration) *world {
	w := &world{t: t, mode: m, limit: limit, lease: lease, tries: map[string][]time.Time{}}
	w.net = faultnet.New(nil)
	w.startServer()
	return w
}

// newNotedWorld is newWorld with a journal of all that clients and server do.
func newNotedWorld(t *testing.T, m mode, limit int, lease time.Duration) *world {
	w := &world{t: t, mode: m, limit: limit, lease: lease, tries: map[string][]time.Time{}, journal: trace.NewJournal(nil)}
	w.net = faultnet.New(nil)
	w.startServer()
	return w
}

// startServer starts a server that knows nothing of an earlier one. A strict
// one grants nothing for as long as slots of that one may be in use.
func (w *world) startServer() {
	opts := []server.Option{server.WithInMemory(), server.WithAdminSecrets(adminSecret)}
	if w.mode == strict {
		opts = append(opts, server.WithAutoRelease(false), server.WithStartupGrace(w.lease))
	}
	if w.journal != nil {
		opts = append(opts, trace.ServerOption(w.journal.Of("server")).(server.Option))
	}
	srv, err := server.Start(context.Background(), opts...)
	require.NoError(w.t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.srv = srv
	w.net.SetServer(func(ctx context.Context) (net.Conn, error) {
		c, err := srv.Dial(ctx)
		if err == nil && w.original {
			c = &deafToHello{Conn: c}
		}
		return c, err
	})
}

// deafToHello is the server's end of a connection on which the first request,
// a client's hello, does not get through as such: the server answers an error,
// as the original one does. So its client uses nothing that the original lacks.
type deafToHello struct {
	net.Conn
	written int
}

func (c *deafToHello) Write(p []byte) (int, error) {
	const at = 1 // in the word
	if i := at - c.written; i >= 0 && i < len(p) {
		p = append([]byte(nil), p...)
		p[i] = 'u'
	}
	n, err := c.Conn.Write(p)
	c.written += n
	return n, err
}

// CloseWrite passes on the end of what the client sends.
func (c *deafToHello) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// stopServer is what a crash of the server's machine looks like: connections
// are reset, then nothing answers.
func (w *world) stopServer() {
	w.net.SetServer(nil)
	w.net.Reset(faultnet.Everybody)
	w.mu.Lock()
	srv := w.srv
	w.mu.Unlock()
	srv.Close()
}

func (w *world) restart(down time.Duration) {
	w.stopServer()
	time.Sleep(down)
	w.startServer()
}

// close ends the network and the server.
func (w *world) close() {
	w.stopServer()
	w.net.Close()
}

// source returns the client of a machine, for keys with w.limit slots each.
func (w *world) source(machine string, opts ...dflockd.Option) *dflockd.Source {
	return w.open(machine, slot.Keyed("", w.limit), opts...)
}

// open is source for other limits.
func (w *world) open(machine string, limits slot.Limits, opts ...dflockd.Option) *dflockd.Source {
	opts = append([]dflockd.Option{dflockd.WithLease(w.lease), dflockd.WithDialer(w.net.Dialer(machine)), dflockd.WithFence()}, opts...)
	if w.mode == strict {
		opts = append(opts, dflockd.WithStrict())
	}
	if w.journal != nil {
		opts = append(opts, trace.ClientOption(w.journal.Of(machine)).(dflockd.Option))
	}
	src, err := dflockd.NewSource(limits, opts...)
	require.NoError(w.t, err)
	return src
}

// granted notes a grant.
func (w *world) granted(machine, key string, at time.Time, fence uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.grant = append(w.grant, granting{machine, key, at, fence})
}

// grants returns how many grants of a key a machine got, or all machines.
func (w *world) grants(machine, key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, g := range w.grant {
		if (machine == faultnet.Everybody || machine == g.machine) && key == g.key {
			n++
		}
	}
	return n
}

// total returns how many grants there were.
func (w *world) total() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.grant)
}

// pulse is a key whose slots are held for a moment only, so that grants of it
// show whether work goes on.
const pulse = "pulse"

// beat claims a slot of pulse again and again until ctx ends.
func (w *world) beat(ctx context.Context, src *dflockd.Source, machine string) {
	for ctx.Err() == nil {
		_ = w.once(ctx, src, machine, machine, pulse, 50*time.Millisecond) // an outage is no failure
		rest(ctx, time.Second)
	}
}

// work claims a slot, holds it for a while and gives it back, again and again
// until ctx ends.
func (w *world) work(ctx context.Context, src *dflockd.Source, machine, worker string, rng *rand.Rand) {
	for ctx.Err() == nil {
		key := fmt.Sprintf("key-%d", rng.IntN(2))
		hold := time.Duration(rng.Int64N(int64(time.Second)))
		if rng.IntN(20) == 0 {
			hold = time.Duration(rng.Int64N(int64(2 * w.lease)))
		}
		if err := w.once(ctx, src, machine, worker, key, hold); err != nil {
			rest(ctx, 200*time.Millisecond+time.Duration(rng.Int64N(int64(100*time.Millisecond))))
		}
		if rng.IntN(3) == 0 {
			rest(ctx, time.Duration(rng.Int64N(int64(time.Second))))
		}
	}
}

// once holds a slot for a while, or for as long as it has it.
func (w *world) once(ctx context.Context, src *dflockd.Source, machine, worker, key string, hold time.Duration) error {
	ticket, err := src.Enqueue(ctx, key)
	if err != nil {
		return err
	}
	s, ok := ticket.Slot()
	if !ok {
		if s, err = ticket.Wait(ctx); err != nil {
			return err
		}
	}
	w.granted(machine, key, s.Info().ConfirmedAt, s.Info().Fence)
	end := w.rec.BeginWith(s.Context(), key, worker, s.Info().Limit)
	rest(s.Context(), hold)
	end()
	_ = s.Release() // a loss is what the test is about
	return nil
}

func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// recovery is how long after a fault work may take to go on.
func (w *world) recovery() time.Duration {
	if w.mode == strict {
		return w.lease + time.Second
	}
	return 5*time.Second + time.Second
}

// overlap is how long more than the limit may run at most.
func (w *world) overlap() time.Duration {
	if w.mode == strict {
		return 0
	}
	beat := min(w.lease/3, 7*time.Second)
	guard := w.lease/100*99 - max(250*time.Millisecond, w.lease/20)
	return beat + min(2*time.Second, (guard-beat)/2)
}
