// Command batch compresses every file of a folder into another folder, and
// records the checksums of what it wrote.
//
//	go run ./examples/batch
//
// compresses the sources of the Go distribution. Press Ctrl-C on the way: what
// is being compressed is finished, and the next run does only what is missing.
//
// With -http :8080 a page on this machine shows the pool at work.
//
// Several instances, each with its own folders, can share one limit, so that
// together they keep no more disks and processors busy than one would:
//
//	go run ./dflockd/cmd/dflockd &
//	go run ./examples/batch -server 127.0.0.1:6388 -slots 4 -in photos -out /backup/photos &
//	go run ./examples/batch -server 127.0.0.1:6388 -slots 4 -in papers -out /backup/papers
//
// The slots may also come from etcd or Redis (-server etcd://…, redis://…), and with
// -engine the program starts an engine for itself, to see that.
//
// The program exits with status 0 if all is done, 1 if a file could not be done
// or it could not run, 2 if its flags make no sense, and 130 if it was
// interrupted.
//
// # How it is made
//
// The files go through [pool.Map], which has a window of them in flight, however
// many there are, and yields the results in order; so memory is bounded by the
// window. Each result is recorded before the next. An attempt that fails is
// retried by the Retry middleware, without a slot meanwhile. An output gets its
// name only when it is complete.
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

func main() { os.Exit(batchMain(os.Args[1:], os.Stdout, os.Stderr)) }

func batchMain(args []string, stdout *os.File, stderr io.Writer) int {
	s, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "batch: %v (batch -h lists the flags)\n", err)
		return exitUsage
	}
	status, err := run(s, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "batch: %v\n", err)
		return exitFailed
	}
	return status
}
