package cases

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/driver"
	"github.com/berth-go/berth/benchmarks/internal/plain"
	"github.com/berth-go/berth/benchmarks/internal/suite"
	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// A hand-over is the time from the end of a job, whose slot is released then, to
// the start of the next job under it in another process. Both processes are on
// this machine, so that they read one clock.

// Metrics of hand-overs.
const (
	handOver50   = "µs-p50"
	handOver99   = "µs-p99"
	handOver999  = "µs-p99.9"
	inRequests99 = "requests-p99" // beside the median request to the same server
)

const (
	handOverKey  = "baton"
	handOverJob  = time.Millisecond
	handOverRole = "hand-over"
)

// handOverWays are the clients, by name: each returns how to run a job under the only
// slot of the key, and what ends it.
var handOverWays = map[string]func(addr string) (under func(job func()) error, end func() error, err error){
	"berth": handOverByPool,
	"plain": handOverByPlain,
}

// joinHandOver is the role of one of the processes. Its arguments are the way, the
// address, when it is to end in nanoseconds, and the file for its jobs' times.
func joinHandOver(args []string) error {
	if len(args) != 4 {
		return errors.New("want a way, an address, a time and a file")
	}
	way, ok := handOverWays[args[0]]
	if !ok {
		return fmt.Errorf("no way %q", args[0])
	}
	until, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	under, end, err := way(args[1])
	if err != nil {
		return err
	}
	return errors.Join(driver.Baton{Until: until, Sleep: handOverJob, File: args[3]}.Run(under), end())
}

// handOverByPool has a pool claim a slot for each job.
func handOverByPool(addr string) (under func(job func()) error, end func() error, err error) {
	src, err := dflockd.NewSource(slot.Fixed(handOverKey, 1), dflockd.WithServers(addr))
	if err != nil {
		return nil, nil, err
	}
	p, err := pool.New(1, pool.WithSlots(src), pool.WithReuse(0))
	if err != nil {
		return nil, nil, err
	}
	under = func(job func()) error {
		return p.Submit(func(context.Context) error { job(); return nil }).Wait(context.Background())
	}
	return under, func() error { return errors.Join(shutDown(p), closeSource(src)) }, nil
}

// handOverByPlain does what the official client's Semaphore does.
func handOverByPlain(addr string) (under func(job func()) error, end func() error, err error) {
	d := plain.Dialer{Addr: addr}
	return func(job func()) error { return d.Once(handOverKey, 1, job) }, func() error { return nil }, nil
}

// handOvers measures two processes of this program that hand a slot to each other.
func (e *Env) handOvers(way string, f flavour) func(*testing.B) error {
	return e.handOversOn(f, byChild(way))
}

// officialHandOvers is the same with the official Go client.
func (e *Env) officialHandOvers() func(*testing.B) error {
	return func(b *testing.B) error {
		program, err := e.officialDriver()
		if err != nil {
			return err
		}
		return e.handOversOn(original, byDriver(program))(b)
	}
}

func (e *Env) handOversOn(f flavour, run func(addr string, until int64, file string) error) func(*testing.B) error {
	return func(b *testing.B) error {
		s, err := e.start(f)
		if err != nil {
			return err
		}
		defer s.Stop()
		if _, err := onlyOnce(b, func() (struct{}, error) {
			return struct{}{}, e.reportHandOvers(b, s.Addr, run, func() (time.Duration, error) { return medianRequest(s.Dialer) })
		}); err != nil {
			return err
		}
		return nil
	}
}

// reportHandOvers runs two processes and reports the percentiles. request measures
// the median request of the server; it may be nil.
func (e *Env) reportHandOvers(b *testing.B, addr string, run func(addr string, until int64, file string) error, request func() (time.Duration, error)) error {
	dir, err := os.MkdirTemp(e.dir, "hand-over")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	length := 6 * time.Second
	if e.short {
		length = 500 * time.Millisecond
	}
	until := time.Now().Add(length).UnixNano()
	files := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	errs := make([]error, len(files))
	var running sync.WaitGroup
	for i, file := range files {
		running.Go(func() { errs[i] = run(addr, until, file) })
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	took, err := readHandOvers(files)
	if err != nil {
		return err
	}
	b.ReportMetric(micros(percentile(took, 0.5)), handOver50)
	b.ReportMetric(micros(percentile(took, 0.99)), handOver99)
	b.ReportMetric(micros(percentile(took, 0.999)), handOver999)
	if request == nil {
		return nil
	}
	median, err := request()
	b.ReportMetric(float64(percentile(took, 0.99))/float64(max(1, median)), inRequests99)
	return err
}

// A stint is a job of one of the processes.
type stint struct {
	process    int
	begin, end int64
}

// readHandOvers returns the hand-overs from one process to another, in rising
// order. Two jobs at once are an error.
func readHandOvers(files []string) ([]time.Duration, error) {
	var all []stint
	for i, file := range files {
		times, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for ; len(times) >= 16; times = times[16:] {
			all = append(all, stint{i, int64(binary.LittleEndian.Uint64(times)), int64(binary.LittleEndian.Uint64(times[8:]))})
		}
	}
	return handOversOf(all)
}

func handOversOf(all []stint) (took []time.Duration, err error) {
	slices.SortFunc(all, func(a, b stint) int { return int(a.begin - b.begin) })
	for i := 1; i < len(all); i++ {
		before, now := all[i-1], all[i]
		if now.begin < before.end {
			return nil, fmt.Errorf("two jobs ran at once for %v, the limit is 1", time.Duration(before.end-now.begin))
		}
		if before.process != now.process {
			took = append(took, time.Duration(now.begin-before.end))
		}
	}
	if len(took) == 0 {
		return nil, errors.New("the slot never went from one process to the other")
	}
	slices.Sort(took)
	return took, nil
}

// percentile returns the value below which a share of sorted values lies.
func percentile(sorted []time.Duration, share float64) time.Duration {
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// medianRequest is the yardstick: a round trip of a request that does little.
func medianRequest(d plain.Dialer) (time.Duration, error) {
	c, err := d.Dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var took []time.Duration
	for range 300 {
		begin := time.Now()
		token, err := c.Lock("another")
		if err != nil {
			return 0, err
		}
		took = append(took, time.Since(begin))
		if err := c.Unlock("another", token); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return percentile(took, 0.5), nil
}

func (e *Env) handOverGroup() suite.Group {
	const polling = "Redis, sorted set, asked every 1 to 3 ms"
	g := suite.Group{
		Name: "Hand-over of a slot from one process to another",
		Area: suite.Use,
		Sides: []suite.Side{
			{Name: berthOnOurs, Ours: true, Once: true, Run: e.handOvers("berth", ours)},
			{Name: berthOnOriginal, Ours: true, Once: true, Run: e.handOvers("berth", original)},
			{Name: officialOnOriginal, Once: true, Run: e.officialHandOvers()},
			{Name: plainOnOriginal, Once: true, Run: e.handOvers("plain", original)},
			{Name: polling, Once: true, Run: e.engineHandOvers(redisSortedSet)},
		},
		Charts: []suite.Chart{{File: "hand-over", Title: "From a release to the next job's start in another process, 99th percentile", Y: "µs", Metric: handOver99}},
	}
	beside := func(what, base, metric, stand string, atMost float64) suite.Row {
		return suite.Row{What: "hand-over of a slot to another process, " + what, Of: suite.Cost(berthOnOurs, base, metric), Stand: stand, Target: suite.AtMost(atMost, "×")}
	}
	g.Rows = []suite.Row{
		{What: "hand-over of a slot to another process, p99 / the median request to the server", Of: suite.Value(berthOnOurs, inRequests99), Target: suite.AtMost(5, "×")},
		beside("median: berth / a polling Redis semaphore", polling, handOver50, "", 0.5),
		beside("p99: berth / a polling Redis semaphore", polling, handOver99, "", 0.5),
		beside("p99: berth / the official client on the original server", officialOnOriginal, handOver99, plainOnOriginal, 1),
	}
	return g
}
