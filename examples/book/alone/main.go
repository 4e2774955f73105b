// Command alone runs jobs in a pool of one process, without slots.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/berth-go/berth/pool"
)

func main() {
	ctx := context.Background()
	p, err := pool.New(4) // at most 4 jobs at once
	if err != nil {
		log.Fatal(err)
	}
	one := p.Submit(func(ctx context.Context) error {
		return nil
	})
	two := p.Submit(func(ctx context.Context) error {
		return errors.New("out of paper")
	})
	fmt.Println("one:", one.Wait(ctx))
	fmt.Println("two:", two.Wait(ctx))
	fmt.Println("shutdown:", p.Shutdown(ctx))
}
