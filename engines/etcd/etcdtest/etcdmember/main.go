// Command etcdmember is an etcd for programs that want to show or to try something,
// in a module that they need not have: it starts one member, with its data in a
// temporary folder, and prints where it serves clients. It ends when its standard
// input does, so that it never outlives whoever started it.
//
//	go run github.com/berth-go/berth/engines/etcd/etcdtest/etcdmember
//
// To be measured it takes the address that it serves at and the folder of its data,
// and has what it is told on the disk before it answers, as in production. It compacts
// nothing by itself.
//
//	etcdmember -addr 127.0.0.1:2379 -dir FOLDER
package main

import (
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/berth-go/berth/engines/etcd/etcdtest"
)

func main() {
	signal.Ignore(os.Interrupt) // which the terminal sends to all; it is for whoever started this
	addr := flag.String("addr", "", "where it serves clients (default: anywhere)")
	dir := flag.String("dir", "", "folder for its data, which it writes to the disk (default: a temporary one)")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *addr, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "etcdmember:", err)
		os.Exit(1)
	}
}

// run serves until in ends.
func run(in io.Reader, out io.Writer, addr, dir string) error {
	if dir != "" { // all of it, so that whoever kills this program has one folder to remove
		if err := os.Setenv("TMPDIR", dir); err != nil {
			return err
		}
	}
	c, err := etcdtest.Start(1, func(cfg *embed.Config) {
		if addr != "" {
			urls := []url.URL{{Scheme: "http", Host: addr}}
			cfg.ListenClientUrls, cfg.AdvertiseClientUrls = urls, urls
		}
		if dir != "" {
			cfg.Dir, cfg.UnsafeNoFsync = dir, false
		}
	})
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
