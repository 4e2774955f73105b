package book

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

func Example_leases() {
	src, err := dflockd.NewSource(slot.Keyed("host:", 4),
		dflockd.WithServers("10.0.0.5:6388"),
		dflockd.WithLease(10*time.Second), // a dead machine's slots are free after 10 s
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := pool.New(32, pool.WithSlots(src),
		pool.WithGrace(5*time.Second),        // then a job that does not stop is reported
		pool.WithReuse(20*time.Millisecond),  // others wait 20 ms and a job longer for it
		pool.WithIdleTimeout(10*time.Second), // a worker without work ends
	)
	fmt.Println(err)
	_ = p.Shutdown(context.Background())
	_ = src.Close(context.Background())
	// Output: <nil>
}

func Example_remaining() {
	src, stop := lockServer(slot.Fixed("report", 1))
	defer stop()
	ctx := context.Background()
	p, _ := pool.New(1, pool.WithSlots(src))
	task := p.Submit(func(ctx context.Context) error {
		info, _ := pool.FromContext(ctx)
		left, leased := info.Remaining()
		fmt.Println("for a time that is safe:", leased && left > 30*time.Second)
		return nil
	})
	_ = task.Wait(ctx)
	_ = p.Shutdown(ctx)
	// Output: for a time that is safe: true
}
