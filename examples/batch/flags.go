package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/berth-go/berth/examples/internal/board"
	"github.com/berth-go/berth/examples/internal/engine"
)

// settings are what the flags say.
type settings struct {
	in, out string // in is "" for the Go distribution's sources
	workers int
	window  int
	engine  engine.Kind // that is started; none: none is
	server  string      // URL of an engine that runs; none of both: no slots
	slots   int
	flaky   float64
	seed    uint64
	http    string // where the dashboard is; none: there is none
}

const usage = `Usage: batch [flags]

Compresses every file of a folder into another folder and records the checksums
there. What is there already is not done again. Ctrl-C finishes what is being
compressed; the next run goes on from there.

`

const maxCount = 10_000

// parse reads the flags. It returns flag.ErrHelp after it has printed the help
// to out.
func parse(args []string, out io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("batch", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is one line, printed by the caller
	f.StringVar(&s.in, "in", "", "compress the files of `folder` (default: the Go distribution's sources)")
	f.StringVar(&s.out, "out", filepath.Join(os.TempDir(), "berth-batch"), "write to `folder`, which is made if need be; one run at a time")
	f.IntVar(&s.workers, "workers", 2*runtime.GOMAXPROCS(0), "compress at most `N` files at once in this process")
	f.IntVar(&s.window, "window", 256, "begin no file that is `N` or more ahead of the first unfinished one")
	f.StringVar(&s.server, "server", "", "claim a slot for each file from the dflockd server at `host:port`, or\nfrom the engine at etcd://host:port or redis://host:port; all instances\nwith the same server share its slots")
	f.Func("engine", "claim a slot for each file from this `kind` of engine, which is started\nfor that: dflockd, etcd or redis", func(name string) (err error) {
		s.engine, err = engine.ParseKind(name)
		return err
	})
	f.IntVar(&s.slots, "slots", 4, "with -server or -engine: compress at most `N` files at once in all\ninstances")
	f.Float64Var(&s.flaky, "flaky", 0, "fail this `share` of all attempts on purpose, to see the retries: 0 to 0.9")
	f.Uint64Var(&s.seed, "seed", 1, "with -flaky: draw the failures from seed `N`")
	f.StringVar(&s.http, "http", "", "show the pool on a page at `host:port`, on this machine only\n(default: none)")

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
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return s, s.check(given)
}

// check says what is wrong with the settings, of which those given were given.
func (s *settings) check(given map[string]bool) error {
	for _, n := range []struct {
		flag  string
		value int
	}{{"workers", s.workers}, {"window", s.window}, {"slots", s.slots}} {
		if n.value < 1 || n.value > maxCount {
			return fmt.Errorf("-%s %d: must be from 1 to %d", n.flag, n.value, maxCount)
		}
	}
	if given["server"] {
		if err := engine.Check(s.server); err != nil {
			return fmt.Errorf("-server %w", err)
		}
	}
	if given["http"] {
		if err := board.Check(s.http); err != nil {
			return fmt.Errorf("-http %w", err)
		}
	}
	switch {
	case given["in"] && s.in == "":
		return errors.New(`-in "": must name a folder`)
	case s.out == "":
		return errors.New(`-out "": must name a folder`)
	case !(s.flaky >= 0 && s.flaky <= 0.9):
		return fmt.Errorf("-flaky %v: must be from 0 to 0.9", s.flaky)
	case given["engine"] && given["server"]:
		return errors.New("-engine starts an engine, and -server names one that runs: give one of them")
	case given["slots"] && !given["server"] && !given["engine"]:
		return errors.New("-slots needs -server or -engine: within one process, -workers is the limit")
	case given["seed"] && s.flaky == 0:
		return errors.New("-seed needs -flaky")
	}
	return nil
}
