// Command report runs the whole suite in interleaved rounds and writes what it
// measured.
//
//	go run ./cmd/report -out results             # everything: about half an hour
//	go run ./cmd/report -short -compare results  # each benchmark once; is the table the same?
//
// With -engine dflockd, etcd or redis only what is measured of the slots of that engine
// is run, with -only the groups whose name matches.
//
// With -readme FILE a few rows of the table of targets are copied into that file,
// with -copy nothing is measured before. With -draw nothing is measured either: the
// charts are drawn of the rounds that are in the folder.
//
// The original dflockd server is measured where BERTH_ORIGINAL_SERVER names its
// binary, the official Go client where BERTH_ORIGINAL_CLIENT names the folder of
// its release's source, Redis where redis-server is on the path. The etcd is one of this
// repository, compiled for the run. What is not there is left out, and the results say
// so; a plain client stands in for the official one.
//
// It ends with an error when a benchmark did not do what it should have done,
// never because of a speed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/cases"
	"github.com/berth-go/berth/benchmarks/internal/proc"
	"github.com/berth-go/berth/benchmarks/internal/results"
)

// page is the file of the results that has the tables.
const page = "README.md"

// rounds is the file that has each round.
const rounds = "rounds.csv"

type options struct {
	out     string
	compare string
	readme  string
	copy    bool
	draw    bool
	only    string
	engine  string
	rounds  int
	short   bool
}

func main() {
	proc.RunRole(cases.Roles)
	var o options
	flag.StringVar(&o.out, "out", "", "folder to write the results to")
	flag.StringVar(&o.compare, "compare", "", "folder of results whose table must have the same shape")
	flag.StringVar(&o.readme, "readme", "", "file to copy the table of targets to")
	flag.BoolVar(&o.copy, "copy", false, "measure nothing: copy what -out has to the file of -readme")
	flag.BoolVar(&o.draw, "draw", false, "measure nothing: draw the charts of the rounds that -out has")
	flag.StringVar(&o.only, "only", "", "run the groups whose name matches this regular expression")
	flag.StringVar(&o.engine, "engine", "", "run the groups of one engine: "+strings.Join(cases.EngineNames, ", "))
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each group")
	flag.BoolVar(&o.short, "short", false, "run each benchmark once, on small scenarios")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := report(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func report(ctx context.Context, o options) error {
	if o.readme != "" && o.out == "" {
		return errors.New("-readme needs -out: the folder that has the table")
	}
	if o.draw {
		return redraw(ctx, o.out)
	}
	if !o.copy {
		if err := measureAndWrite(ctx, o); err != nil {
			return err
		}
	}
	if o.readme != "" {
		return copyTable(filepath.Join(o.out, page), o.readme)
	}
	return nil
}

// redraw draws the charts of the rounds that a folder has.
func redraw(ctx context.Context, dir string) error {
	f, err := os.Open(filepath.Join(dir, rounds))
	if err != nil {
		return err
	}
	defer f.Close()
	env, err := cases.NewEnv(ctx, dir, false)
	if err != nil {
		return err
	}
	outcomes, err := results.ReadCSV(f, env.Groups())
	if err != nil {
		return err
	}
	return results.Run{Outcomes: outcomes}.WriteCharts(dir)
}

// copyTable copies rows of the table of targets from the page of the results.
func copyTable(from, to string) error {
	table, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(to)
	if err != nil {
		return err
	}
	text, err := results.InsertSummary(string(readme), string(table))
	if err != nil {
		return fmt.Errorf("cannot copy the table to %s: %w", to, err)
	}
	return os.WriteFile(to, []byte(text), 0o644)
}

func measureAndWrite(ctx context.Context, o options) error {
	scratch, err := os.MkdirTemp("", "berth-benchmarks")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	run, err := measure(ctx, o, scratch)
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = scratch // the charts are drawn all the same
		defer fmt.Println(run.Markdown())
	}
	if err := write(run, o.out); err != nil {
		return err
	}
	if o.compare == "" {
		return nil
	}
	return compare(run, filepath.Join(o.compare, page))
}

// measure runs the groups one after the other.
func measure(ctx context.Context, o options, scratch string) (results.Run, error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return results.Run{}, err
	}
	if o.engine != "" && !slices.Contains(cases.EngineNames, o.engine) {
		return results.Run{}, fmt.Errorf("-engine: no engine %q: there are %s", o.engine, strings.Join(cases.EngineNames, ", "))
	}
	env, err := cases.NewEnv(ctx, scratch, o.short)
	if err != nil {
		return results.Run{}, err
	}
	if o.short {
		o.rounds = 1
	}
	start := time.Now()
	run := results.Run{Machine: results.ThisMachine(), Date: results.Today(), Rounds: o.rounds}
	load := results.Load()
	for _, g := range env.Groups() {
		if !only.MatchString(g.Name) || o.engine != "" && g.Engine != o.engine {
			continue
		}
		outcome, err := g.Run(ctx, o.rounds, o.short, progress)
		if err != nil {
			return run, err
		}
		run.Outcomes = append(run.Outcomes, outcome)
	}
	run.Notes = append(env.Notes(), fmt.Sprintf("The run took %s. The load average was %s when it began and %s when it ended; "+
		"the benchmarks themselves make 2 to 3 of that.", time.Since(start).Round(time.Second), load, results.Load()))
	return run, nil
}

func progress(s string) {
	fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), s)
}

// write writes the page, the charts and the rounds.
func write(run results.Run, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, page), []byte(run.Markdown()), 0o644); err != nil {
		return err
	}
	if err := run.WriteCharts(dir); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, rounds))
	if err != nil {
		return err
	}
	return errors.Join(run.WriteCSV(f), f.Close())
}

// compare returns an error if the page that is committed has another shape.
func compare(run results.Run, path string) error {
	committed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := results.Compare(results.Shape(run.Markdown()), results.Shape(string(committed))); err != nil {
		return fmt.Errorf("the table differs from %s; `make bench` writes it anew:\n%w", path, err)
	}
	fmt.Println("every benchmark ran and did what it should; the table has the shape of the committed one")
	return nil
}
