package etcdtest_test

import (
	"context"
	"fmt"
	"log"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/engines/etcd/etcdtest"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

func Example() {
	ctx := context.Background()

	// In production a cluster runs somewhere else, and clientv3.New makes a client.
	cluster, err := etcdtest.Start(1)
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	client, err := cluster.Client()
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// At most two jobs at once for each key, across all machines.
	src, err := etcd.NewSource(client, slot.Keyed("report:", 2))
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
