package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// inAll is the limit on requests at once in all: one semaphore, whatever the
// host.
func inAll(slots int) slot.Limits { return slot.Fixed("berth-crawler", slots) }

// onHost is the limit on requests at once on a host: a semaphore for each.
func onHost(slots int) slot.Limits { return slot.Keyed("berth-crawler-host:", slots) }

// A source of starts has one slot, which is kept for the time between two
// starts. One slot kept for 1/N s gives the same rate as N kept for a second,
// but in even steps, where those could come all at once, twice within a second.
const oneStart = 1

// startInAll and startOnHost are those of requests in all and on a host.
func startInAll() slot.Limits  { return slot.Fixed("berth-crawler-start", oneStart) }
func startOnHost() slot.Limits { return slot.Keyed("berth-crawler-host-start:", oneStart) }

// A sourceMaker makes a source of slots for a worker process.
type sourceMaker func(s pipe.Setup, l slot.Limits) (slot.Source, error)

// fromServer makes sources whose slots are those of the dflockd server.
func fromServer(s pipe.Setup, l slot.Limits) (slot.Source, error) {
	return dflockd.NewSource(l, dflockd.WithServers(s.Server), dflockd.WithLease(s.Lease))
}

// A claims is where a worker process gets its slots.
type claims struct {
	setup pipe.Setup
	make  sourceMaker

	// slots are those that a job runs under: one of the page's host, and then
	// one of all. In this order nobody sits on one of the few slots in all
	// while it waits for its host.
	slots slot.Source
	host  slot.Source // the one of the page's host
	inAll slot.Source // starts in all; nil: no limit on them

	mu sync.Mutex // guards onHost and closed; held while a source is made, which does not dial
	// onHost are the sources of starts on a host by the time between two, which
	// each host may choose.
	onHost map[time.Duration]slot.Source
	closed bool
}

func newClaims(s pipe.Setup, from sourceMaker) (*claims, error) {
	c := &claims{setup: s, make: from, onHost: map[time.Duration]slot.Source{}}
	host, err := from(s, onHost(s.PerHost))
	if err != nil {
		return nil, err
	}
	all, err := from(s, inAll(s.Slots))
	if err != nil {
		return nil, errors.Join(err, host.Close(context.Background()))
	}
	c.slots, c.host = slot.All(host, all), host
	if s.Pace > 0 {
		starts, err := from(s, startInAll())
		if err != nil {
			return nil, errors.Join(err, c.slots.Close(context.Background()))
		}
		c.inAll = slot.MinHold(starts, s.Pace)
	}
	return c, nil
}

// options are those of a pool whose jobs run under the slots. A host that asks to
// come back later is paused for all crawlers with the same server, by the middleware.
// Its slots serve one page each, since one that is kept for the next page of a real
// site would not know of a pause that another crawler asked for.
func (c *claims) options(s pipe.Setup) []pool.Option {
	options := []pool.Option{pool.WithSlots(c.slots), pool.Use(middleware.PauseKey(c.host))}
	if !s.Local {
		options = append(options, pool.WithReuse(0))
	}
	return options
}

// begin waits until a job may start on its host, of which there may be one in
// every pace, and in all. It takes a slot for it and gives it back at once:
// MinHold keeps it. The one in all comes last, since nothing may come between it
// and the start.
func (c *claims) begin(ctx context.Context, host string, pace time.Duration) error {
	var starts []slot.Source
	if pace > 0 {
		onHost, err := c.startsOnHost(pace)
		if err != nil {
			return err
		}
		starts = append(starts, onHost)
	}
	if c.inAll != nil {
		starts = append(starts, c.inAll)
	}
	if len(starts) == 0 {
		return nil
	}
	return slot.Do(ctx, slot.All(starts...), host, func(context.Context) error { return nil })
}

func (c *claims) startsOnHost(pace time.Duration) (slot.Source, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, slot.ErrClosed
	}
	if src := c.onHost[pace]; src != nil {
		return src, nil
	}
	starts, err := c.make(c.setup, startOnHost())
	if err != nil {
		return nil, err
	}
	c.onHost[pace] = slot.MinHold(starts, pace)
	return c.onHost[pace], nil
}

// close gives everything back. What is kept for the rate's sake is given back
// early when ctx ends.
func (c *claims) close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	all := make([]slot.Source, 0, len(c.onHost)+2)
	for _, src := range c.onHost {
		all = append(all, src)
	}
	c.mu.Unlock()
	if c.inAll != nil {
		all = append(all, c.inAll)
	}
	all = append(all, c.slots)

	errs := make([]error, len(all))
	var closing sync.WaitGroup
	for i, src := range all {
		closing.Go(func() { errs[i] = src.Close(ctx) })
	}
	closing.Wait()
	return errors.Join(errs...)
}
