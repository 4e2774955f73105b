package cases

import (
	"context"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/plain"
	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/slot"
)

// newSource returns berth's client for a server.
func newSource(d plain.Dialer, r *run) (*dflockd.Source, error) {
	limits := slot.Keyed("", r.limit)
	if r.keys == 1 {
		limits = slot.Fixed(r.key(0), r.limit)
	}
	opts := []dflockd.Option{dflockd.WithServers(d.Addr)}
	if d.TLS != nil {
		opts = append(opts, dflockd.WithTLS(d.TLS), dflockd.WithAuth(d.Secret))
	}
	return dflockd.NewSource(limits, opts...)
}

// sourcing claims with berth's client and without a pool, from as many
// goroutines as there are workers.
var sourcing = way{start: func(d plain.Dialer, r *run) (func(), func() error, error) {
	src, err := newSource(d, r)
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	next, finish, err := startWorkers(r.workers, func(i int) (func() error, func(), error) {
		return func() error { return claim(ctx, src, r, i) }, func() {}, nil
	})
	end := func() error {
		if err := finish(); err != nil {
			return err
		}
		return closeSource(src)
	}
	return next, end, err
}}

// claim runs one job of a worker under a slot.
func claim(ctx context.Context, src slot.Source, r *run, i int) error {
	ticket, err := src.Enqueue(ctx, r.key(i))
	if err != nil {
		return err
	}
	held, ok := ticket.Slot()
	if !ok {
		if held, err = ticket.Wait(ctx); err != nil {
			return err
		}
	}
	r.do(i)
	return held.Release()
}

func closeSource(src slot.Source) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return src.Close(ctx)
}
