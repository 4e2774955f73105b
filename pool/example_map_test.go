package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
