package berth_test

import (
	"context"
	"fmt"
	"log"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

func Example() {
	ctx := context.Background()

	// A lock server of our own. In production it runs somewhere else, and every
	// machine names it: go run ./dflockd/cmd/dflockd
	srv, err := server.Start(ctx, server.WithAddress("127.0.0.1:0"))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	// At most two jobs at once for each key, across all machines.
	src, err := dflockd.NewSource(slot.Keyed("report:", 2), dflockd.WithServers(srv.Addr().String()))
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close(ctx)

	p, err := pool.New(32, pool.WithSlots(src))
	if err != nil {
		log.Fatal(err)
	}
	task := p.Submit(func(ctx context.Context) error {
		fmt.Println("this runs under a slot; ctx ends if it is lost")
		return nil
	}, pool.Key("customer-7"))

	fmt.Println("result:", task.Wait(ctx))
	fmt.Println("shutdown:", p.Shutdown(ctx))
	// Output:
	// this runs under a slot; ctx ends if it is lost
	// result: <nil>
	// shutdown: <nil>
}
