package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

const usage = "usage: release cut [-checked] VERSION | release build [-out FOLDER] VERSION"

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run is main with what it depends on. It works in the repository of the current folder.
func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%s", usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	checked := flags.Bool("checked", false, "for cut: .ci/run was green on this commit just now")
	folder := flags.String("out", "dist", "for build: where the archives go")
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w; %s", err, usage)
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("%s", usage)
	}
	v, err := parseVersion(flags.Arg(0))
	if err != nil {
		return err
	}
	r, err := openRepository(".", out)
	if err != nil {
		return err
	}
	switch args[0] {
	case "cut":
		return r.cut(v, time.Now().UTC(), *checked)
	case "build":
		return r.build(v, *folder, platforms)
	}
	return fmt.Errorf("%s", usage)
}
