// Command crawler crawls a web site with several worker processes that share
// one limit: so many requests at once in all, and so many on each host,
// whichever process makes them.
//
//	go run ./examples/crawler
//
// starts a dflockd server and a web site made of the Go distribution's own
// files, both on this machine, and three worker processes, each a pool of
// workers. A worker may fetch a page only while it holds a slot of the page's
// host and one of the slots in all. The site counts the requests that it serves
// at once, and the summary shows what it saw beside the limits.
//
//	go run ./examples/crawler -kill        # kill a worker process on the way
//	go run ./examples/crawler -unlimited   # without slots: the site notices
//	go run ./examples/crawler -h           # all flags
//
// The program exits with status 0 if the limits were reached and never passed
// and no page was lost, 1 if not or if it could not run, 2 if its flags make no
// sense, and 130 if it was interrupted.
//
// # How it is made
//
// The parent process owns the frontier: which URLs are known, who has which,
// what became of each. It hands URLs to the workers over pipes, one JSON line
// each way, and gives those of a dead worker to the others. Only the parent
// draws, and only it acts on Ctrl-C: it tells the workers to finish what they
// have. They end when their pipe closes, however the parent died.
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

// workerArgument is what the parent starts itself with to get a worker.
const workerArgument = "worker-process"

func main() {
	if len(os.Args) == 2 && os.Args[1] == workerArgument {
		os.Exit(workerMain(os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(crawlerMain(os.Args[1:], os.Stdout, os.Stderr))
}

func crawlerMain(args []string, stdout *os.File, stderr io.Writer) int {
	s, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "crawler: %v (crawler -h lists the flags)\n", err)
		return exitUsage
	}
	status, err := run(s, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "crawler: %v\n", err)
		return exitFailed
	}
	return status
}
