package slottest

import (
	"context"
	"time"

	"github.com/berth-go/berth/slot"
)

// This file checks sources whose slots can be granted at a rate.

const (
	paceBurst  = 2
	paceStarts = paceBurst + 4
)

// checkPace has the source, and its peer if there is one, claim at one rate: from a rest,
// after all slots were held for a while, and after a pause.
func checkPace(r *run) {
	if !r.Pace {
		r.Skip("the source has no pace")
	}
	p := r.paced(5 * r.Settle)
	p.starts(time.Now(), "they came faster than the rate")

	held := r.fill()
	waiting := p.line()
	time.Sleep(3 * p.interval)
	begun := time.Now()
	r.release(held...)
	p.wait(waiting, begun, "starts were made up for that could not be while all slots were held")

	if r.Control {
		begun := time.Now()
		r.pause(3 * p.interval)
		p.starts(begun.Add(3*p.interval), "they came in the pause, or were made up for after it")
	}
	r.allFree()
}

// A pacing is a rate of the source and of its peer.
type pacing struct {
	*run
	interval time.Duration
	sources  []slot.Source
}

func (r *run) paced(interval time.Duration) *pacing {
	p := &pacing{run: r, interval: interval}
	for _, src := range []slot.Source{r.Source, r.Peer} {
		if src == nil {
			continue
		}
		paced := slot.Pace(src, slot.Every(interval), paceBurst)
		if err := slot.Check(paced); err != nil {
			r.Fatalf("Pace: %v", err)
		}
		p.sources = append(p.sources, paced)
		r.others = append(r.others, paced)
	}
	return p
}

// starts claims as many slots as there may be in four intervals, and waits for them.
func (p *pacing) starts(begun time.Time, why string) {
	p.Helper()
	p.wait(p.line(), begun, why)
}

// line claims them, of one source after the other.
func (p *pacing) line() (waiting []waiter) {
	p.Helper()
	for i := range paceStarts {
		ticket := p.enqueueAt(context.Background(), p.sources[i%len(p.sources)])
		waiting = append(waiting, p.start(ticket))
	}
	return waiting
}

// start waits for a slot and gives it back at once.
func (p *pacing) start(ticket slot.Ticket) waiter {
	w := make(waiter, 1)
	go func() {
		s, err := ticket.Wait(context.Background())
		if err == nil {
			p.granted(s)
			err = s.Release()
		}
		w <- claimed{slot: s, err: err}
	}()
	return w
}

// wait waits until all have started. Since none could before begun, that takes four
// intervals from then on, whatever the network does.
func (p *pacing) wait(waiting []waiter, begun time.Time, why string) {
	p.Helper()
	for _, w := range waiting {
		if got := p.outcome(w); got.err != nil {
			p.Fatalf("a claim with a pace: %v", got.err)
		}
	}
	if took, least := time.Since(begun), (paceStarts-paceBurst)*p.interval; took < least {
		p.Errorf("%d starts in %v, at one in each %v and a burst of %d: %s", paceStarts, took, p.interval, paceBurst, why)
	}
}
