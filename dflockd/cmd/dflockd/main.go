package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/berth-go/berth/internal/version"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // it could not start, cut connections off at its end, or nobody answered a ping
	exitUsage  = 2 // a setting cannot be read
)

func main() {
	os.Exit(run(os.Args[1:], environ(os.Environ()), os.Stdout, os.Stderr))
}

// run is main with what it depends on. It returns the exit status.
func run(args []string, env environment, stdout, stderr io.Writer) int {
	cl, do := &serving, serve
	if len(args) > 0 && args[0] == "ping" {
		cl, do, args = &pinging, ping, args[1:]
	}
	set, err := cl.parse(args, env)
	switch {
	case errors.Is(err, errHelp):
		cl.writeHelp(stdout)
		return exitOK
	case err == nil && set.version:
		fmt.Fprintln(stdout, banner())
		return exitOK
	case err == nil:
		err = do(set, env, stdout, stderr)
	default:
		err = usageError{err}
	}
	return complain(err, stderr)
}

// A usageError is about a setting.
type usageError struct{ error }

// A saidError is in the log.
type saidError struct{ error }

// complain says in one line what is wrong, and returns the exit status.
func complain(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	if _, said := errors.AsType[saidError](err); said {
		return exitFailed
	}
	line := strings.ReplaceAll(err.Error(), "\n", "; ")
	if _, usage := errors.AsType[usageError](err); usage {
		fmt.Fprintf(stderr, "dflockd: %s (see dflockd --help)\n", line)
		return exitUsage
	}
	fmt.Fprintf(stderr, "dflockd: %s\n", line)
	return exitFailed
}

// banner says what was built.
func banner() string {
	return "dflockd of github.com/berth-go/berth " + version.String() + ", protocol of dflockd 1.10"
}
