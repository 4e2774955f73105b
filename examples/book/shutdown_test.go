package book

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// work runs jobs until ctx ends, and then ends the pool and the source in that order.
func work(ctx context.Context, src slot.Source, next func() (pool.Job, bool)) error {
	p, err := pool.New(32, pool.WithSlots(src), pool.WithQueue(16))
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		job, ok := next()
		if !ok {
			break
		}
		if err := p.Go(job); err != nil {
			break
		}
	}

	ending, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	err = p.Shutdown(ending)                                 // takes no more jobs, and lets those that it has run
	return errors.Join(err, src.Close(context.Background())) // gives the slots back, within a second
}

func runUntilTerminated(src slot.Source, next func() (pool.Job, bool)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := work(ctx, src, next); err != nil {
		log.Fatal(err)
	}
}

func Example_shutdown() {
	src, stop := lockServer(slot.Fixed("work", 4))
	defer stop()
	left := 3
	runUntilTerminated(src, func() (pool.Job, bool) {
		left--
		return func(context.Context) error {
			fmt.Println("a job")
			return nil
		}, left >= 0
	})
	// Output:
	// a job
	// a job
	// a job
}
