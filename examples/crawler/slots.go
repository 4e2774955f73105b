package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/internal/engine"
	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// inAll is the limit on requests at once in all: one semaphore, whatever the
// host.
func inAll(slots int) slot.Limits { return slot.Fixed("berth-crawler", slots) }

// onHost is the limit on requests at once on a host: a semaphore for each.
func onHost(slots int) slot.Limits { return slot.Keyed("berth-crawler-host:", slots) }

// evenly is the burst of all rates: starts come one by one, however long there was
// none.
const evenly = 1

// A sourceMaker makes a source of slots for a worker process.
type sourceMaker func(s pipe.Setup, l slot.Limits) (slot.Source, error)

// A claims is where a worker process gets its slots.
type claims struct {
	// slots are those that a job runs under: one of the page's host, and then
	// one of all. In this order nobody sits on one of the few slots in all
	// while it waits for its host. Each is granted at the pace that was asked for.
	slots slot.Source
	host  slot.Source // the one of the page's host, without a pace
	end   func() error

	mu    sync.Mutex               // guards paces
	paces map[string]time.Duration // between two starts on a host
}

// newClaims makes the sources of a worker process: from the engine that its setup
// names, unless from is given.
func newClaims(s pipe.Setup, from sourceMaker) (_ *claims, err error) {
	c := &claims{end: func() error { return nil }, paces: map[string]time.Duration{}}
	if from == nil {
		e, err := engine.Open(s.Server)
		if err != nil {
			return nil, err
		}
		c.end = e.Close
		from = func(s pipe.Setup, l slot.Limits) (slot.Source, error) { return e.Source(l, s.Lease) }
	}
	if c.host, err = from(s, onHost(s.PerHost)); err != nil {
		return nil, errors.Join(err, c.end())
	}
	all, err := from(s, inAll(s.Slots))
	if err != nil {
		return nil, errors.Join(err, c.host.Close(context.Background()), c.end())
	}
	c.slots = slot.All(c.paced(s, c.host), pacedInAll(s, all))
	return c, nil
}

// paced is the source of a host's slots at the pace of each host.
func (c *claims) paced(s pipe.Setup, host slot.Source) slot.Source {
	if !s.HostPaces {
		return host
	}
	src := slot.Pace(host, slot.RateBy(c.rateOf), evenly)
	if s.Pace > 0 {
		return unhurried{src}
	}
	return src
}

func pacedInAll(s pipe.Setup, all slot.Source) slot.Source {
	if s.Pace == 0 {
		return all
	}
	return slot.Pace(all, slot.Every(s.Pace), evenly)
}

// rateOf is how often a request may start on a host.
func (c *claims) rateOf(host string) (slot.Rate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slot.Every(c.paces[host]), nil // 0: as often as the slots allow
}

// setPace notes the time between two starts on a host, which can only get longer.
func (c *claims) setPace(host string, pace time.Duration) {
	if pace == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paces[host] = max(c.paces[host], pace)
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

// close gives everything back. Where the engine has no clock, what is kept for the
// rate's sake is given back early when ctx ends.
func (c *claims) close(ctx context.Context) error {
	return errors.Join(c.slots.Close(ctx), c.end())
}
