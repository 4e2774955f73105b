// Package suite runs benchmarks side by side.
//
// A [Group] is measured in interleaved rounds: each round measures every side
// once, and the next round goes through them in the opposite order, so that a
// machine that gets slower or faster meanwhile does so for all of them. A
// [Row] of the table is computed from each round by itself, and only then
// summarized: a ratio is never one of two medians.
package suite

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/stat"
)

// PerJob is the metric that every side has: nanoseconds a job.
const PerJob = "ns/job"

// Allocs and Bytes are what one job allocates in the benchmark's own process.
const (
	Allocs = "allocs/job"
	Bytes  = "B/job"
)

// ErrMissing is returned by a side's Run when something that it needs is not
// installed here. The rows that use it say so, and the run goes on.
var ErrMissing = errors.New("not available here")

// A Side is one of the things that a group compares.
type Side struct {
	Name string
	// Ours says that the side is berth and not a peer, for the charts.
	Ours bool
	// Jobs is how many jobs one turn of the benchmark's loop does; 0 means 1.
	Jobs int
	// Once means that the loop turns once: the side measures a scenario, whose
	// figures it reports as metrics of their own.
	Once bool
	// Run is the benchmark. It returns an error when what it did is not what
	// it should have done, which fails the whole run.
	Run func(b *testing.B) error
}

// A Result has the figures of one measurement, by metric.
type Result map[string]float64

// Measure runs the side once, for about the given time.
func (s Side) Measure(ctx context.Context, d time.Duration) (Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	benchtime := d.String()
	if s.Once || d == 0 {
		benchtime = "1x"
	}
	if err := setBenchtime(benchtime); err != nil {
		return nil, err
	}
	failed := errors.New("the benchmark ended without a result")
	r := testing.Benchmark(func(b *testing.B) {
		if failed = s.Run(b); failed != nil {
			b.FailNow()
		}
	})
	if failed != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, failed)
	}
	jobs := float64(r.N) * float64(max(1, s.Jobs))
	result := Result{
		PerJob: float64(r.T.Nanoseconds()) / jobs,
		Allocs: float64(r.MemAllocs) / jobs,
		Bytes:  float64(r.MemBytes) / jobs,
	}
	for metric, value := range r.Extra {
		result[metric] = value
	}
	return result, nil
}

// Benchmark runs the side as one of go test's benchmarks. One that needs what
// is not installed here is skipped.
func (s Side) Benchmark(b *testing.B) {
	b.ReportAllocs()
	err := s.Run(b)
	if errors.Is(err, ErrMissing) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*max(1, s.Jobs)), PerJob)
}

// setBenchtime sets how long testing.Benchmark runs.
func setBenchtime(s string) error {
	if flag.Lookup("test.benchtime") == nil {
		testing.Init()
	}
	return flag.Set("test.benchtime", s)
}

// A Group is a set of sides that are measured together, and the rows that are
// computed from them.
type Group struct {
	Name   string
	Area   Area
	Engine string        // whose slots it measures: "dflockd", "etcd", "redis"; "": none's, or those of several
	Time   time.Duration // of one measurement of one side
	Rounds int           // at most so many; 0: as many as asked for
	Sides  []Side
	Rows   []Row
	Charts []Chart
}

// An Area is a part of the suite.
type Area string

// The areas.
const (
	Pools   Area = "pools"
	Claims  Area = "claims"
	Engines Area = "engines"
	Servers Area = "servers"
	Use     Area = "use"
	Growth  Area = "growth"
)

// Validate returns an error if the group's rows name sides that it does not
// have.
func (g Group) Validate() error {
	var used []string
	for _, row := range g.Rows {
		used = append(used, row.Of.sides()...)
		if row.Stand != "" {
			used = append(used, row.Stand)
		}
	}
	for _, chart := range g.Charts {
		for _, line := range chart.Lines {
			used = append(used, line.Sides...)
			if len(line.X) != len(line.Sides) {
				return fmt.Errorf("group %q: line %q has %d places for %d sides", g.Name, line.Name, len(line.X), len(line.Sides))
			}
		}
	}
	for _, name := range used {
		if !slices.ContainsFunc(g.Sides, func(s Side) bool { return s.Name == name }) {
			return fmt.Errorf("group %q uses the side %q, which it does not have", g.Name, name)
		}
	}
	return nil
}

// An Outcome is what the rounds of a group gave.
type Outcome struct {
	Group  Group
	Rounds []map[string]Result // by side
	Absent map[string]string   // side: why it was not measured
}

// Run measures the group in interleaved rounds; a short run turns each loop
// once. say is called before each measurement.
func (g Group) Run(ctx context.Context, rounds int, short bool, say func(string)) (Outcome, error) {
	d := g.Time
	if short {
		d = 0
	}
	if g.Rounds > 0 {
		rounds = min(rounds, g.Rounds)
	}
	out := Outcome{Group: g, Absent: map[string]string{}}
	for n := range rounds {
		round := map[string]Result{}
		for _, side := range order(g.Sides, n) {
			if out.Absent[side.Name] != "" {
				continue
			}
			say(fmt.Sprintf("%s: round %d of %d: %s", g.Name, n+1, rounds, side.Name))
			result, err := side.Measure(ctx, d)
			if errors.Is(err, ErrMissing) {
				out.Absent[side.Name] = err.Error()
				continue
			}
			if err != nil {
				return out, fmt.Errorf("%s: %w", g.Name, err)
			}
			round[side.Name] = result
		}
		out.Rounds = append(out.Rounds, round)
	}
	return out, nil
}

// order returns the sides as they are in even rounds and backwards in odd ones.
func order(sides []Side, round int) []Side {
	sides = slices.Clone(sides)
	if round%2 == 1 {
		slices.Reverse(sides)
	}
	return sides
}

// Summary returns the summary of one metric of one side, and false if it was
// not measured.
func (o Outcome) Summary(side, metric string) (stat.Summary, bool) {
	return o.summarize(Of{kind: value, side: side, metric: metric})
}

func (o Outcome) summarize(of Of) (stat.Summary, bool) {
	var values []float64
	for _, round := range o.Rounds {
		v := of.value(round)
		if math.IsNaN(v) {
			return stat.Summary{}, false
		}
		values = append(values, v)
	}
	return stat.Summarize(values), len(values) > 0
}

// Metrics returns the metrics that a side reported beside those that every
// side has, in alphabetical order.
func (o Outcome) Metrics(side string) []string {
	var all []string
	for _, round := range o.Rounds {
		for metric := range round[side] {
			if metric != PerJob && metric != Allocs && metric != Bytes && !slices.Contains(all, metric) {
				all = append(all, metric)
			}
		}
	}
	slices.Sort(all)
	return all
}
