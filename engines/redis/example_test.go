package redis_test

import (
	"context"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/engines/redis"
	"github.com/berth-go/berth/slot"
)

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
