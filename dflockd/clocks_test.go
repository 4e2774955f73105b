package dflockd

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/check"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
	"github.com/berth-go/berth/slot"
)

// A rate is how fast the server's clock runs, as a machine sees it: a lease of asked
// seconds lasts for as many of the machine's as lasts says. All clocks of a bubble are
// one, so the lease is asked for as one of that length.
type rate struct{ asked, lasts string }

// The rates of machines: a clock that is slow by a twentieth, which the margin of the
// guard allows for, one that is right, and one that is fast.
var rates = []rate{{"20", "19"}, {"20", "20"}, {"20", "21"}}

// dial returns connections to a server whose clock has that rate.
func (r rate) dial(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &rated{Conn: c, rate: r, in: bufio.NewReader(c)}, nil
	}
}

// rated rewrites the leases of requests and answers.
type rated struct {
	net.Conn
	rate rate
	in   *bufio.Reader
	read string // of an answer, and not taken yet
	part string // of a request whose line has no end yet
}

// inPlaceOf replaces a word of a line by another one.
func inPlaceOf(line, from, to string) string {
	words := strings.Split(line, " ")
	for i, word := range words {
		if strings.TrimSuffix(word, "\n") == from {
			words[i] = strings.Replace(word, from, to, 1)
		}
	}
	return strings.Join(words, " ")
}

func (c *rated) Read(b []byte) (int, error) {
	if c.read == "" {
		line, err := c.in.ReadString('\n')
		if err != nil && line == "" {
			return 0, err
		}
		c.read = inPlaceOf(line, c.rate.lasts, c.rate.asked)
	}
	n := copy(b, c.read)
	c.read = c.read[n:]
	return n, nil
}

func (c *rated) Write(b []byte) (int, error) {
	text := c.part + string(b)
	end := strings.LastIndexByte(text, '\n') + 1
	c.part = text[end:]
	var out strings.Builder
	for line := range strings.Lines(text[:end]) {
		out.WriteString(inPlaceOf(line, c.rate.asked, c.rate.lasts))
	}
	if _, err := c.Conn.Write([]byte(out.String())); err != nil {
		return 0, err
	}
	return len(b), nil
}

// TestLimitHoldsWhateverTheClocksDo has machines whose clocks run at different rates, and
// whose wall clocks jump by hours, work through faults of the network and restarts of a
// strict server. No more than the limit ever hold a slot, and work goes on.
func TestLimitHoldsWhateverTheClocksDo(t *testing.T) {
	const minutes = 240
	did := counts.Of{}
	faultnet.EachSeed(t, "BERTH_SIMULATIONS", 2, func(seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			o := &observatory{t: t, rng: rand.New(rand.NewPCG(seed, 0)), limit: 1 + int(seed%2)}
			plan := faultnet.NewPlan(seed, minutes*time.Minute, 2*clockLease, o.machines(), breaks)
			o.run(plan)
			require.Emptyf(t, check.Overlaps(o.limit, o.rec.Intervals()), "seed %d, limit %d", seed, o.limit)
			did["simulated-minutes"] += minutes
			did["faults"] += len(plan.Faults)
			did["grants"] += len(o.rec.Intervals())
			did["jumps-of-clocks"] += int(o.jumps.Load())
		})
	})
	counts.Report(t, did)
}

// An observatory is a server and machines whose clocks differ.
type observatory struct {
	t     *testing.T
	rng   *rand.Rand
	limit int
	net   *faultnet.Net
	srv   *server.Server
	rec   check.Recorder
	jumps atomic.Int64
}

const clockLease = 20 * time.Second

// breaks are the faults in which a machine does not hear that its lease has ended.
var breaks = []faultnet.Kind{faultnet.Partition, faultnet.LostUp, faultnet.LostDown, faultnet.Freeze, faultnet.Reset, faultnet.Restart}

func (o *observatory) machines() (names []string) {
	for i := range rates {
		names = append(names, fmt.Sprint("m", i))
	}
	return names
}

// run has all machines at work while the faults of the plan befall them.
func (o *observatory) run(plan faultnet.Plan) {
	o.net = faultnet.New(nil)
	o.start()
	ctx, cancel := context.WithCancel(o.t.Context())
	var workers sync.WaitGroup
	var sources []*Source
	for i, machine := range o.machines() {
		src, err := NewSource(slot.Fixed("k", o.limit), WithDialer(rates[i].dial(o.net.Dialer(machine))), WithLease(clockLease), WithStrict())
		require.NoError(o.t, err)
		sources = append(sources, src)
		o.jump(ctx, &workers, src, o.mine())
		for w := range 2 {
			rng := o.mine()
			workers.Go(func() { o.work(ctx, src, fmt.Sprint(machine, " ", w), rng) })
		}
	}
	require.NoError(o.t, plan.Run(ctx, o.net, o.restart))
	before := len(o.rec.Intervals())
	time.Sleep(4 * clockLease)
	require.Greater(o.t, len(o.rec.Intervals()), before, "work goes on")
	cancel()
	workers.Wait()
	for _, src := range sources {
		_ = src.Close(context.Background()) // which may know no better than that something is held
	}
	o.net.Close()
	o.srv.Close()
}

func (o *observatory) mine() *rand.Rand {
	return rand.New(rand.NewPCG(o.rng.Uint64(), o.rng.Uint64()))
}

// start starts a server. Its grace is as long as the longest of its leases that
// machines may believe in.
func (o *observatory) start() {
	srv, err := server.Start(context.Background(), server.WithInMemory(), server.WithAutoRelease(false), server.WithStartupGrace(clockLease+2*time.Second))
	require.NoError(o.t, err)
	o.srv = srv
	o.net.SetServer(func(ctx context.Context) (net.Conn, error) { return srv.Dial(ctx) })
}

func (o *observatory) restart(down time.Duration) {
	o.net.SetServer(nil)
	o.net.Reset(faultnet.Everybody)
	o.srv.Close()
	time.Sleep(down)
	o.start()
}

// jump sets the wall clock of a machine forth and back until ctx ends.
func (o *observatory) jump(ctx context.Context, workers *sync.WaitGroup, src *Source, rng *rand.Rand) {
	var clock wallClock
	src.cfg.wall = clock.read
	workers.Go(func() {
		for ctx.Err() == nil {
			pause(ctx, time.Duration(rng.Int64N(int64(10*time.Minute))))
			clock.set(time.Duration(rng.Int64N(int64(4*time.Hour)) - int64(2*time.Hour)))
			o.jumps.Add(1)
		}
	})
}

// A wallClock can jump.
type wallClock struct {
	mu    sync.Mutex // guards what follows
	ahead time.Duration
	looks int // until a clock that was set forth is right again
}

// set has the clock jump. A machine reads from the same clock when its leases began, so
// a jump forth concerns those that it has then. Here these times are read from another
// clock: so only the next looks at this one see it ahead.
func (c *wallClock) set(ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead, c.looks = ahead, 8
}

func (c *wallClock) read(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ahead > 0 {
		if c.looks--; c.looks < 0 {
			c.ahead = 0
		}
	}
	return now.Round(0).Add(c.ahead)
}

// work claims slots, holds them for a while or for as long as it has them, and gives
// them back.
func (o *observatory) work(ctx context.Context, src *Source, who string, rng *rand.Rand) {
	for ctx.Err() == nil {
		s, err := acquire(ctx, src)
		if err != nil {
			pause(ctx, 200*time.Millisecond)
			continue
		}
		end := o.rec.Begin(s.Context(), "k", who)
		hold := time.Duration(rng.Int64N(int64(5 * time.Second)))
		if rng.IntN(2) == 0 {
			hold = time.Duration(rng.Int64N(int64(4 * clockLease)))
		}
		pause(s.Context(), hold)
		end()
		if s.Context().Err() != nil {
			pause(ctx, 200*time.Millisecond)
		}
		_ = s.Release() // a loss is what the test is about
	}
}
