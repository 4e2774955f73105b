// Command chain makes calls to an unreliable service through a chain of
// middleware, and shows what each part of the chain did.
//
//	go run ./examples/chain      # a summary
//	go run ./examples/chain -v   # a line for each attempt as well
//
// The service runs in this process and fails on a plan drawn from a seed: now
// and then it answers an error, is busy and says when to come back, or hangs;
// some items do not exist; and for a while it is down. The calls share a limit
// on those under way, by slots of a dflockd server that runs in this process,
// too. The chain around each call is
//
//	Log( Retry( CircuitBreaker( RateLimit( Timeout( call )))))
//
// A call that backs off holds no slot and no worker: the summary says how much
// slot time that saved.
//
// The program exits with status 0 if all calls ended as planned, 1 if not, 2 if
// its flags make no sense, and 130 if it was interrupted.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(chainMain(os.Args[1:], os.Stdout, os.Stderr)) }

func chainMain(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "chain: %v (chain -h lists the flags)\n", err)
		return exitUsage
	}
	status, err := run(s, stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "chain: %v\n", err)
		return exitFailed
	}
	return status
}

// settings are what the flags say.
type settings struct {
	calls   int
	workers int
	slots   int
	rate    int
	seed    uint64
	verbose bool
}

const usage = `Usage: chain [flags]

Calls an unreliable service through a chain of middleware:
Log, Retry, CircuitBreaker, RateLimit and Timeout, from the outside in.
Shows what each of them did. Needs no network.

`

const maxCount = 100_000

// parse reads the flags. It returns flag.ErrHelp after it has printed the help
// to out.
func parse(args []string, out io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("chain", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is one line, printed by the caller
	f.IntVar(&s.calls, "calls", 200, "make `N` calls")
	f.IntVar(&s.workers, "workers", 8, "`N` workers")
	f.IntVar(&s.slots, "slots", 4, "at most `N` calls under way at once")
	f.IntVar(&s.rate, "rate", 100, "begin at most `N` calls in a second")
	f.Uint64Var(&s.seed, "seed", 1, "draw the service's failures from seed `N`")
	f.BoolVar(&s.verbose, "v", false, "log each attempt")
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
	for _, n := range []struct {
		flag  string
		value int
	}{{"calls", s.calls}, {"workers", s.workers}, {"slots", s.slots}, {"rate", s.rate}} {
		if n.value < 1 || n.value > maxCount {
			return s, fmt.Errorf("-%s %d: must be from 1 to %d", n.flag, n.value, maxCount)
		}
	}
	return s, nil
}
