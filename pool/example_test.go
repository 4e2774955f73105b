package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

func Example() {
	ctx := context.Background()
	src := slot.NewLocalKeyed(2) // or a dflockd.Source, to share the limit with other machines
	p, err := pool.New(8, pool.WithSlots(src))
	if err != nil {
		fmt.Println(err)
		return
	}
	task := p.Submit(func(ctx context.Context) error {
		info, _ := pool.FromContext(ctx)
		fmt.Printf("under a slot of %q\n", info.SlotKey)
		return nil
	}, pool.Key("example.com"))
	fmt.Println(task.Wait(ctx))
	fmt.Println(p.Shutdown(ctx))
	// Output:
	// under a slot of "example.com"
	// <nil>
	// <nil>
}

// Go costs no allocation; what such jobs fail with comes out of Wait.
func ExamplePool_Go() {
	ctx := context.Background()
	p, _ := pool.New(4)
	for i := range 3 {
		_ = p.Go(func(context.Context) error {
			if i == 1 {
				return errors.New("job 1 failed")
			}
			return nil
		})
	}
	fmt.Println(p.Wait(ctx))
	fmt.Println(p.Shutdown(ctx))
	// Output:
	// job 1 failed
	// <nil>
}

// A job that asks for another attempt has neither worker nor slot meanwhile.
func ExampleRetryAfter() {
	ctx := context.Background()
	p, _ := pool.New(1, pool.WithSlots(slot.NewLocal(1)))
	flaky := p.Submit(func(ctx context.Context) error {
		info, _ := pool.FromContext(ctx)
		fmt.Println("attempt", info.Attempt)
		if info.Attempt < 2 {
			return pool.RetryAfter(20*time.Millisecond, errors.New("busy"))
		}
		return nil
	})
	other := p.Submit(func(context.Context) error {
		fmt.Println("another job runs meanwhile")
		return nil
	})
	fmt.Println(other.Wait(ctx), flaky.Wait(ctx))
	_ = p.Shutdown(ctx)
	// Output:
	// attempt 1
	// another job runs meanwhile
	// attempt 2
	// <nil> <nil>
}

// Several lanes can share one slot key.
func ExampleWithSlotKey() {
	ctx := context.Background()
	src := slot.NewLocalKeyed(1)
	host := func(lane string) string { return "example.com" }
	p, _ := pool.New(4, pool.WithSlots(src), pool.WithSlotKey(host))
	for _, lane := range []string{"news", "shop"} {
		info := make(chan string, 1)
		_ = p.Go(func(ctx context.Context) error {
			i, _ := pool.FromContext(ctx)
			info <- i.SlotKey
			return nil
		}, pool.Key(lane))
		fmt.Println(lane, "runs under", <-info)
	}
	_ = p.Shutdown(ctx)
	// Output:
	// news runs under example.com
	// shop runs under example.com
}

// A job waits for another one with its own context: the child runs at once, on
// the goroutine and under the slot of the job that waits.
func ExampleTask_Wait() {
	ctx := context.Background()
	p, _ := pool.New(1, pool.WithSlots(slot.NewLocal(1)))
	parent := p.Submit(func(ctx context.Context) error {
		child := p.SubmitContext(ctx, func(context.Context) error {
			fmt.Println("child")
			return nil
		})
		defer fmt.Println("parent")
		return child.Wait(ctx)
	})
	fmt.Println(parent.Wait(ctx))
	_ = p.Shutdown(ctx)
	// Output:
	// child
	// parent
	// <nil>
}

// A job that finds that its time has not come is not one that failed.
func ExampleNotYet() {
	p, _ := pool.New(1)
	ready := time.Now().Add(20 * time.Millisecond)
	task := p.Submit(func(ctx context.Context) error {
		if wait := time.Until(ready); wait > 0 {
			return pool.NotYet(wait, errors.New("the file is not there yet"))
		}
		info, _ := pool.FromContext(ctx)
		fmt.Println("attempt", info.Attempt)
		return nil
	})
	fmt.Println(task.Wait(context.Background()), p.Stats().Retries)
	_ = p.Shutdown(context.Background())
	// Output:
	// attempt 1
	// <nil> 0
}
