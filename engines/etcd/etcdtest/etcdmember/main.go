// Command etcdmember is an etcd for programs that want to show or to try something,
// in a module that they need not have: it starts one member, with its data in a
// temporary folder, and prints where it serves clients. It ends when its standard
// input does, so that it never outlives whoever started it.
//
//	go run github.com/berth-go/berth/engines/etcd/etcdtest/etcdmember
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/berth-go/berth/engines/etcd/etcdtest"
)

func main() {
	signal.Ignore(os.Interrupt) // which the terminal sends to all; it is for whoever started this
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "etcdmember:", err)
		os.Exit(1)
	}
}

// run serves until in ends.
func run(in io.Reader, out io.Writer) error {
	c, err := etcdtest.Start(1)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintln(out, c.Endpoints()[0]); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}
