// Command member is an etcd of one member, for tests and benchmarks whose server has to
// be another process. What it has written is on the disk before it answers, as in
// production, and it compacts nothing by itself.
//
//	member -addr 127.0.0.1:2379 -dir DIRECTORY
//
// It ends with a signal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

func main() {
	addr := flag.String("addr", "", "where it serves clients")
	dir := flag.String("dir", "", "folder for its data")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "member:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr, dir string) error {
	if addr == "" || dir == "" {
		return errors.New("-addr and -dir say where to listen and where to keep data")
	}
	cfg := embed.NewConfig()
	cfg.Dir = dir
	clients := []url.URL{{Scheme: "http", Host: addr}}
	peers := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}} // there are none
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = clients, clients
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = peers, peers
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	defer e.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-e.Err():
		return err
	}
}
