package main

import (
	"context"
	"errors"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// inAll is the limit on requests at once in all: one semaphore, whatever the
// host.
func inAll(slots int) dflockd.Limits { return dflockd.Fixed("berth-crawler", slots) }

// onHost is the limit on requests at once on a host: a semaphore for each.
func onHost(slots int) dflockd.Limits { return dflockd.Keyed("berth-crawler-host:", slots) }

// A source of starts has one slot, which is kept for the time between two
// starts. One slot kept for 1/N s gives the same rate as N kept for a second,
// but in even steps, where those could come all at once, twice within a second.
const oneStart = 1

// startInAll and startOnHost are those of requests in all and on a host.
func startInAll() dflockd.Limits  { return dflockd.Fixed("berth-crawler-start", oneStart) }
func startOnHost() dflockd.Limits { return dflockd.Keyed("berth-crawler-host-start:", oneStart) }

// A claims is where a worker process gets its slots.
type claims struct {
	// slots are those that a job runs under: one of the page's host, and then
	// one of all. In this order nobody sits on one of the few slots in all
	// while it waits for its host.
	slots slot.Source
	// starts allow a job to begin; nil without a limit on that. A job takes one
	// when it has its slots and gives it back at once: MinHold keeps it. The
	// one in all comes last, since nothing may come between it and the start.
	starts slot.Source
}

func newClaims(s pipe.Setup) (*claims, error) {
	var made []slot.Source
	var failed error
	from := func(l dflockd.Limits) slot.Source {
		src, err := dflockd.NewSource(l, dflockd.WithServers(s.Server), dflockd.WithLease(s.Lease))
		if err != nil {
			failed = errors.Join(failed, err)
			return nil
		}
		made = append(made, src)
		return src
	}
	c := &claims{slots: slot.All(from(onHost(s.PerHost)), from(inAll(s.Slots)))}
	var starts []slot.Source
	if s.HostPace > 0 {
		starts = append(starts, slot.MinHold(from(startOnHost()), s.HostPace))
	}
	if s.Pace > 0 {
		starts = append(starts, slot.MinHold(from(startInAll()), s.Pace))
	}
	if len(starts) > 0 {
		c.starts = slot.All(starts...)
	}
	if failed != nil {
		for _, src := range made {
			failed = errors.Join(failed, src.Close(context.Background()))
		}
		return nil, failed
	}
	return c, nil
}

// options are those of the pool whose jobs run under the claims.
func (c *claims) options() []pool.Option {
	options := []pool.Option{pool.WithSlots(c.slots)}
	if c.starts != nil {
		options = append(options, pool.Use(c.paced))
	}
	return options
}

// paced is a middleware: each job begins when its host and all hosts together
// may begin another.
func (c *claims) paced(next pool.Job) pool.Job {
	return func(ctx context.Context) error {
		job, _ := pool.FromContext(ctx)
		nothing := func(context.Context) error { return nil }
		if err := slot.Do(ctx, c.starts, job.Key, nothing); err != nil {
			return err
		}
		return next(ctx)
	}
}

// close gives everything back. What is kept for the rate's sake is given back
// early when ctx ends.
func (c *claims) close(ctx context.Context) error {
	var err error
	if c.starts != nil {
		err = c.starts.Close(ctx)
	}
	return errors.Join(err, c.slots.Close(ctx))
}
