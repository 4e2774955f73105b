// Program notedserver is a lock server that writes all that it does to a file, for
// tests that kill and stop it and look at that afterwards. It ends when its standard
// input does.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/trace"
)

func main() {
	address := flag.String("address", "", "host:port to listen on")
	strict := flag.Bool("strict", false, "keep the slots of a broken connection")
	lease := flag.Duration("lease", 2*time.Second, "lease of a slot, and of a strict server the grace after its start")
	file := flag.String("trace", "", "file to write to, at its end")
	flag.Parse()
	signal.Ignore(os.Interrupt)
	if err := run(*address, *strict, *lease, *file, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "notedserver:", err)
		os.Exit(1)
	}
}

func run(address string, strict bool, lease time.Duration, file string, in io.Reader) error {
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	opts := []server.Option{
		server.WithAddress(address), server.WithDefaultLease(lease), server.WithMaxLease(lease),
		trace.ServerOption(trace.NewJournal(out).Of("server")).(server.Option),
	}
	if strict {
		opts = append(opts, server.WithAutoRelease(false)) // and so a grace of the longest lease
	}
	srv, err := server.Start(context.Background(), opts...)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, in)
	srv.Close()
	return nil
}
