// Command shared prints pages on a printer that other machines use, too: one page
// at a time, whoever prints it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

func main() {
	server := flag.String("server", "127.0.0.1:6388", "address of the lock server")
	name := flag.String("name", "here", "what this machine is called")
	pages := flag.Int("pages", 4, "how many pages to print")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *server, *name, *pages); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, server, name string, pages int) error {
	src, err := dflockd.NewSource(slot.Keyed("printer:", 1),
		dflockd.WithServers(server), dflockd.WithName(name))
	if err != nil {
		return err
	}
	p, err := pool.New(4, pool.WithSlots(src))
	if err != nil {
		return err
	}
	for page := 1; page <= pages; page++ {
		p.GoContext(ctx, func(ctx context.Context) error {
			fmt.Println(name, "prints page", page)
			return printed(ctx)
		}, pool.Key("upstairs"))
	}
	ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(p.Wait(ctx), p.Shutdown(ending), src.Close(ending))
}

// printed takes as long as a page does. It stops when its slot is lost.
func printed(ctx context.Context) error {
	select {
	case <-time.After(100 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
