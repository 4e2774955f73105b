package book

import (
	"context"
	"fmt"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

func Example_limits() {
	// 12 in all, whatever the key.
	all := slot.Fixed("crawl", 12)

	// 4 for each key: "host:example.com", "host:example.org", …
	perHost := slot.Keyed("host:", 4)

	// What a function says: a limit of its own for each customer.
	perPlan := slot.LimitBy(func(customer string) (name string, n int, err error) {
		if isPaying(customer) {
			return "customer:" + customer, 10, nil
		}
		return "everybody else", 2, nil
	})

	for _, limits := range []slot.Limits{all, perHost, perPlan} {
		fmt.Println(limits.Of("example.com"))
	}
	// Output:
	// crawl 12 <nil>
	// host:example.com 4 <nil>
	// everybody else 2 <nil>
}

func isPaying(customer string) bool { return customer == "acme" }

func Example_both() {
	ctx := context.Background()
	perHost, stopHosts := lockServer(slot.Keyed("host:", 4))
	all, stopAll := lockServer(slot.Fixed("crawl", 12))
	defer stopHosts()
	defer stopAll()

	// A slot of each: 4 for a host and 12 in all. The scarce one is last.
	src := slot.All(perHost, all)
	if err := slot.Check(src); err != nil {
		fmt.Println(err)
	}

	err := slot.Do(ctx, src, "example.com", func(ctx context.Context) error {
		return nil
	})
	fmt.Println(err)
	// Output: <nil>
}

func Example_looking() {
	ctx := context.Background()
	src := slot.NewLocalKeyed(1)
	defer src.Close(ctx)
	p, _ := pool.New(2, pool.WithSlots(src))
	task := p.Submit(func(ctx context.Context) error {
		state, err := slot.Inspect(ctx, src, "example.com")
		fmt.Println("held:", state.Held, "waiting:", state.Waiting, "error:", err)
		return nil
	}, pool.Key("example.com"))
	_ = task.Wait(ctx)
	_ = p.Shutdown(ctx)
	// Output: held: 1 waiting: 0 error: <nil>
}
