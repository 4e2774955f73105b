// Command soak runs the random tests of this repository for as long as one likes,
// each with fresh seeds:
//
//	go run ./internal/stacktest/soak -for 30m
//	make soak SOAK=30m
//
// It builds the tests of each package once, and runs them in rounds: a round is one
// test with a seed and an amount of work. The next round is that of the part which is
// furthest from its goal, so that all get there together; all goals take about an
// hour and a half on two idle cores. Each part runs once at least, whatever the time.
//
// Beside the rounds a lock server and a client at work live for the whole run, crowds
// come to that server and go, and the memory and the open files of both are watched.
//
// In the end one table says what was done. With -write it is written to
// docs/evidence.md. A round that fails is printed with the command that replays it,
// and the program ends with an error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/berth-go/berth/internal/stacktest/counts"
)

// page is where -write puts the table.
const page = "docs/evidence.md"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "soak:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(out)
	budget := flags.Duration("for", 10*time.Minute, "time for the rounds")
	only := flags.String("only", "", "parts to run, by name, with commas between; all if empty")
	seed := flags.Uint64("seed", 0, "seed from which those of the parts follow; 0: drawn anew")
	write := flags.Bool("write", false, "write the table to "+page)
	list := flags.Bool("list", false, "list the parts and what they aim at, and run none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag; the parts to run are named by -only", flags.Arg(0))
	}
	chosen, err := choose(parts, *only)
	if err != nil {
		return err
	}
	if *list {
		for _, p := range chosen {
			fmt.Fprintf(out, "%-12s %s; goal: %s %s\n", p.name, p.what, grouped(p.goal), words(p.counted))
		}
		return nil
	}
	if *seed == 0 {
		*seed = uint64(rand.Uint32())
	}
	root, err := counts.Root(".")
	if err != nil {
		return err
	}
	s := &soak{root: root, parts: chosen, seed: *seed, began: time.Now(), budget: *budget, out: out}
	if err := s.run(ctx); err != nil {
		return err
	}
	return s.finish(*write)
}

// choose returns the parts of the given names, or all.
func choose(all []*part, names string) ([]*part, error) {
	if names == "" {
		return all, nil
	}
	var chosen []*part
	for name := range strings.SplitSeq(names, ",") {
		p := find(all, name)
		if p == nil {
			return nil, fmt.Errorf("there is no part %q: see -list", name)
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

func find(all []*part, name string) *part {
	for _, p := range all {
		if p.name == name {
			return p
		}
	}
	return nil
}
