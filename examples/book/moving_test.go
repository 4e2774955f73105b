package book

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	concpool "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

func fetch(_ context.Context, url string) error {
	if url == "" {
		return errors.New("no address")
	}
	return nil
}

func size(_ context.Context, url string) (int, error) { return len(url), nil }

var urls = []string{"https://example.com/a", "https://example.com/bc"}

func fetchByErrgroup(ctx context.Context, urls []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, url := range urls {
		g.Go(func() error { return fetch(ctx, url) })
	}
	return g.Wait()
}

func fetchByGroup(ctx context.Context, p *pool.Pool, urls []string) error {
	g := p.Group(ctx, pool.CancelOnError())
	for _, url := range urls {
		g.Submit(func(ctx context.Context) error { return fetch(ctx, url) })
	}
	return g.Wait(ctx)
}

func sizesByConc(ctx context.Context, urls []string) ([]int, error) {
	p := concpool.NewWithResults[int]().WithContext(ctx).WithMaxGoroutines(8)
	for _, url := range urls {
		p.Go(func(ctx context.Context) (int, error) { return size(ctx, url) })
	}
	return p.Wait()
}

func sizesByMap(ctx context.Context, p *pool.Pool, urls []string) (sizes []int, err error) {
	for n, err := range pool.Map(ctx, p, slices.Values(urls), size) {
		if err != nil {
			return nil, err // what is under way is cancelled
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

func Example_moving() {
	ctx := context.Background()
	p, _ := pool.New(8)
	fmt.Println(fetchByErrgroup(ctx, urls), fetchByGroup(ctx, p, urls))
	fmt.Println(sizesByConc(ctx, urls))
	fmt.Println(sizesByMap(ctx, p, urls))
	fmt.Println(fetchByErrgroup(ctx, []string{""}), fetchByGroup(ctx, p, []string{""}))
	_ = p.Shutdown(ctx)
	// Output:
	// <nil> <nil>
	// [21 22] <nil>
	// [21 22] <nil>
	// no address no address
}

func lockFor(ctx context.Context, addr string) error {
	lock, err := dflockd.NewLock("report", dflockd.WithServers(addr))
	if err != nil {
		return err
	}
	return lock.WithLock(ctx, func(ctx context.Context) error {
		return writeReport(ctx) // ctx ends if the lock is lost
	})
}

func lockByHand(ctx context.Context, addr string) error {
	lock, err := dflockd.NewLock("report", dflockd.WithServers(addr))
	if err != nil {
		return err
	}
	ok, err := lock.Acquire(ctx)
	if err != nil {
		return err // the server cannot be reached, or refuses
	}
	if !ok {
		return errors.New("somebody else has the report") // for 10 s, see WithAcquireTimeout
	}
	err = writeReport(lock.Context())
	return errors.Join(err, lock.Release())
}

func slotByHand(ctx context.Context, src slot.Source, key string) error {
	s, ok, err := slot.Try(ctx, src, key)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("all slots are taken")
	}
	defer s.Release()
	return writeReport(s.Context())
}

var reports struct {
	mu sync.Mutex
	n  int
}

func writeReport(ctx context.Context) error {
	reports.mu.Lock()
	defer reports.mu.Unlock()
	reports.n++
	return ctx.Err()
}
