// Command limited prints pages on two printers, one page at a time on each.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

func main() {
	ctx := context.Background()
	src := slot.NewLocalKeyed(1) // one slot for each key
	p, err := pool.New(4, pool.WithSlots(src))
	if err != nil {
		log.Fatal(err)
	}
	for page := 1; page <= 3; page++ {
		for _, printer := range []string{"upstairs", "downstairs"} {
			p.Go(func(ctx context.Context) error {
				fmt.Println(printer, "prints page", page)
				time.Sleep(100 * time.Millisecond)
				return nil
			}, pool.Key(printer))
		}
	}
	if err := p.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}
