package engine

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

func openDflockd(a address) (*Engine, error) {
	return &Engine{Kind: Dflockd, close: func() error { return nil }, source: func(l slot.Limits, lease time.Duration) (slot.Source, error) {
		options := []dflockd.Option{dflockd.WithServers(a.hosts...), dflockd.WithConnectTimeout(patience)}
		if lease > 0 {
			options = append(options, dflockd.WithLease(lease))
		}
		return dflockd.NewSource(l, options...)
	}}, nil
}

// startDflockd starts a dflockd server in this process. It is strict: the slots of a
// process that dies are given to others only when their leases have ended.
func startDflockd(io.Writer) (*Started, error) {
	srv, err := server.Start(context.Background(),
		server.WithAddress("127.0.0.1:0"), server.WithDefaultLease(shortLease), server.WithAutoRelease(false))
	if err != nil {
		return nil, fmt.Errorf("start a dflockd server: %w", err)
	}
	return &Started{URL: "dflockd://" + srv.Addr().String(), Kind: Dflockd, Where: "in this process", close: func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return srv.Shutdown(ctx)
	}}, nil
}
