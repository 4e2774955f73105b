package book

import (
	"context"
	"log"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

// lockServer returns a source of a lock server in this process, without a port.
func lockServer(limits slot.Limits) (src *dflockd.Source, stop func()) {
	ctx := context.Background()
	srv, err := server.Start(ctx, server.WithInMemory())
	if err != nil {
		log.Fatal(err)
	}
	src, err = dflockd.NewSource(limits, dflockd.WithServer(srv))
	if err != nil {
		log.Fatal(err)
	}
	return src, func() {
		_ = src.Close(ctx)
		srv.Close()
	}
}
