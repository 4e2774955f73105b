package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-go/berth/pool"
)

func ExampleMap() {
	ctx := context.Background()
	p, _ := pool.New(4)
	defer p.Shutdown(ctx)

	words := slices.Values([]string{"quay", "berth", "crane"})
	for n, err := range pool.Map(ctx, p, words, func(_ context.Context, word string) (int, error) {
		return len(word), nil
	}) {
		fmt.Println(n, err)
	}
	// Output:
	// 4 <nil>
	// 5 <nil>
	// 5 <nil>
}

// A listing whose second page cannot be read, and results as they come.
func ExampleMap2() {
	ctx := context.Background()
	p, _ := pool.New(4)
	defer p.Shutdown(ctx)

	pages := func(yield func(string, error) bool) {
		_ = yield("first page", nil) && yield("", errors.New("the second page is torn")) && yield("third page", nil)
	}
	size := func(_ context.Context, page string) (int, error) { return len(page), nil }
	read, failed := 0, 0
	for _, err := range pool.Map2(ctx, p, pages, size, pool.Unordered(), pool.TimeLimit(time.Minute)) {
		if err != nil {
			failed++ // break, where one error is enough
			continue
		}
		read++
	}
	fmt.Println(read, "read,", failed, "failed")
	// Output: 2 read, 1 failed
}

func ExampleTimeLimit() {
	p, _ := pool.New(1)
	err := p.Submit(func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}, pool.TimeLimit(time.Millisecond)).Wait(context.Background())
	fmt.Println(err, errors.Is(err, context.DeadlineExceeded))
	_ = p.Shutdown(context.Background())
	// Output: pool: the attempt timed out after 1ms true
}

func ExampleCall() {
	ctx := context.Background()
	p, _ := pool.New(4)
	defer p.Shutdown(ctx)

	answer := pool.Call(ctx, p, func(context.Context) (int, error) { return 6 * 7, nil })
	n, err := answer.Wait(ctx)
	fmt.Println(n, err)
	// Output: 42 <nil>
}

func ExamplePool_Group() {
	ctx := context.Background()
	p, _ := pool.New(4)
	defer p.Shutdown(ctx)

	g := p.Group(ctx, pool.CancelOnError())
	g.Submit(func(ctx context.Context) error { return errors.New("no such page") })
	g.Submit(func(ctx context.Context) error {
		<-ctx.Done() // ends because the other one fails
		return ctx.Err()
	})
	fmt.Println(g.Wait(ctx))
	// Output: no such page
}
