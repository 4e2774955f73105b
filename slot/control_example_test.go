package slot_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/slot"
)

// Each class of customers has a limit of its own, which may change while the
// program runs.
func ExampleLimitBy() {
	plans := map[string]int{"free": 1, "paid": 10}
	limits := slot.LimitBy(func(key string) (name string, n int, err error) {
		n, ok := plans[key]
		if !ok {
			return "", 0, fmt.Errorf("no plan %q", key)
		}
		return "plan:" + key, n, nil
	})
	fmt.Println(limits.Of("paid"))
	_, _, err := limits.Of("gold")
	fmt.Println(err)
	// Output:
	// plan:paid 10 <nil>
	// the function of slot.LimitBy has no limit for key "gold": no plan "gold"
}

func ExampleInspect() {
	ctx := context.Background()
	src := slot.NewLocal(1)
	defer src.Close(ctx)
	held, _, _ := slot.Try(ctx, src, "")
	ticket, _ := src.Enqueue(ctx, "")

	state, _ := slot.Inspect(ctx, src, "")
	fmt.Println("held:", state.Held, "waiting:", state.Waiting)
	ahead, _ := slot.Ahead(ticket)
	fmt.Println("in front of the ticket:", ahead)

	_ = slot.Revoke(ctx, src, "", state.Holders[0].ID)
	fmt.Println("taken back:", errors.Is(context.Cause(held.Context()), slot.ErrRevoked))
	// Output:
	// held: 1 waiting: 1
	// in front of the ticket: 0
	// taken back: true
}

func ExamplePause() {
	ctx := context.Background()
	src := slot.NewLocal(1)
	defer src.Close(ctx)

	_ = slot.Pause(ctx, src, "", time.Hour)
	_, ok, _ := slot.Try(ctx, src, "")
	fmt.Println("granted while paused:", ok)
	_ = slot.Pause(ctx, src, "", 0)
	_, ok, _ = slot.Try(ctx, src, "")
	fmt.Println("granted after the end of the pause:", ok)
	// Output:
	// granted while paused: false
	// granted after the end of the pause: true
}
