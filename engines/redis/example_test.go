package redis_test

import (
	"context"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/engines/redis"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// The README's program with Redis: two lines differ. The server is one in memory here.
func Example() {
	ctx := context.Background()
	srv, err := miniredis.Run()
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := goredis.NewClient(&goredis.Options{Addr: srv.Addr()})
	defer client.Close()

	// At most two jobs at once for each key, across all machines.
	src, err := redis.NewSource(client, slot.Keyed("report:", 2))
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

// Who holds the slots of a key, and since when others wait for one.
func ExampleSource_Inspect() {
	ctx := context.Background()
	srv, err := miniredis.Run()
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := goredis.NewClient(&goredis.Options{Addr: srv.Addr()})
	defer client.Close()
	src, err := redis.NewSource(client, slot.Fixed("nightly", 1), redis.WithName("web3"))
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close(ctx)

	if _, err := src.Enqueue(ctx, ""); err != nil {
		log.Fatal(err)
	}
	state, err := src.Inspect(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Held, "held, by", state.Holders[0].Name, "-", state.Waiting, "wait")
	// Output: 1 held, by web3 - 0 wait
}
