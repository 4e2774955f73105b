// Command observed compresses files in a pool under slots and shows where the
// time of its jobs went: by a trace in a file, by metrics on a page for
// Prometheus, and by the timeline of one job.
//
//	go run ./examples/observed
//	go run ./examples/observed -keep   # the page of metrics stays until Ctrl-C
//	go run ./examples/observed -keep -http :8080   # and so does the pool's dashboard
//
// All that has to be said to berth is
//
//	tracer, err := tracing.New()
//	p, err := pool.New(n, pool.WithSlots(tracer.Source(src)), pool.WithHooks(tracer.Hooks()))
//
// The rest, in telemetry.go, sets up OpenTelemetry's SDK as any program does.
//
// The program exits with status 0 if all files were compressed, 1 if not, 2 if
// its flags make no sense, and 130 if it was interrupted.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/berth-go/berth/examples/internal/board"
)

const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(observedMain(os.Args[1:], os.Stdout, os.Stderr)) }

func observedMain(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "observed: %v (observed -h lists the flags)\n", err)
		return exitUsage
	}
	status, err := run(s, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "observed: %v\n", err)
		return exitFailed
	}
	return status
}

// settings are what the flags say.
type settings struct {
	dir     string
	files   int
	workers int
	slots   int
	flaky   float64
	seed    uint64
	trace   string
	metrics string
	http    string // where the dashboard is; none: there is none
	keep    bool
}

const usage = `Usage: observed [flags]

Compresses files in a pool whose jobs need slots, and shows where the time went:
a trace in a file, metrics for Prometheus on a page, and one job's timeline.

`

const maxCount = 100_000

// parse reads the flags. It returns flag.ErrHelp after it has printed the help
// to out.
func parse(args []string, out io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("observed", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is one line, printed by the caller
	f.StringVar(&s.dir, "src", "", "compress the files below `folder` (default: net/http of the Go distribution)")
	f.IntVar(&s.files, "files", 60, "compress at most `N` files")
	f.IntVar(&s.workers, "workers", 4, "`N` workers")
	f.IntVar(&s.slots, "slots", 2, "at most `N` jobs at once, by slots of a dflockd server in this process")
	f.Float64Var(&s.flaky, "flaky", 0.1, "fail this `share` of the first attempts on purpose")
	f.Uint64Var(&s.seed, "seed", 1, "draw which attempts fail from seed `N`")
	f.StringVar(&s.trace, "trace", filepath.Join(os.TempDir(), "berth-observed-trace.json"), "write the trace to `file`, a span a line")
	f.StringVar(&s.metrics, "metrics", "127.0.0.1:0", "serve the metrics at `host:port`, on this machine only")
	f.StringVar(&s.http, "http", "", "show the pool on a page at `host:port`, on this machine only (default: none)")
	f.BoolVar(&s.keep, "keep", false, "keep the pages when the batch is done, until Ctrl-C")
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, usage)
		f.SetOutput(out)
		f.PrintDefaults()
		return s, err
	}
	if err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q: everything is said by flags", f.Arg(0))
	}
	return s, s.check()
}

func (s settings) check() error {
	for _, n := range []struct {
		flag  string
		value int
	}{{"files", s.files}, {"workers", s.workers}, {"slots", s.slots}} {
		if n.value < 1 || n.value > maxCount {
			return fmt.Errorf("-%s %d: must be from 1 to %d", n.flag, n.value, maxCount)
		}
	}
	if !(s.flaky >= 0 && s.flaky <= 1) {
		return fmt.Errorf("-flaky %v: must be from 0 to 1", s.flaky)
	}
	host, _, err := net.SplitHostPort(s.metrics)
	if err != nil {
		return fmt.Errorf("-metrics %q: want host:port, such as 127.0.0.1:9464", s.metrics)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("-metrics %s: the page is for this machine only: give a loopback address, such as 127.0.0.1", s.metrics)
	}
	if s.http != "" {
		if err := board.Check(s.http); err != nil {
			return fmt.Errorf("-http %w", err)
		}
	}
	return nil
}
