package main

import (
	"fmt"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/pipe"
)

// pauses are how often and for how long each host was left alone that had asked for
// it or had not answered.
type pauses struct {
	hosts map[string]*leftAlone
	order []string // in which they were first left alone
}

// A leftAlone is what is known of one host.
type leftAlone struct {
	times int
	total time.Duration
	until time.Time
	why   string // the last time
}

// note takes down what a worker was told. Requests that were out together are put
// off once; what they add is how much later the last of them may be asked again.
func (p *pauses) note(said pipe.Pause, now time.Time) {
	h := p.hosts[said.Host]
	if h == nil {
		if p.hosts == nil {
			p.hosts = map[string]*leftAlone{}
		}
		h = &leftAlone{}
		p.hosts[said.Host], p.order = h, append(p.order, said.Host)
	}
	until := now.Add(said.For)
	switch {
	case !now.Before(h.until):
		h.times++
		h.total += said.For
		h.until = until
	case until.After(h.until):
		h.total += until.Sub(h.until)
		h.until = until
	}
	h.why = said.Why
}

// ended leaves out what is left of the pauses, as the crawl ends now.
func (p *pauses) ended(now time.Time) {
	for _, h := range p.hosts {
		if now.Before(h.until) {
			h.total -= h.until.Sub(now)
			h.until = now
		}
	}
}

// lines are what the report says of them.
func (p *pauses) lines() (lines []string) {
	for _, host := range p.order {
		h := p.hosts[host]
		often := "once"
		if h.times > 1 {
			often = fmt.Sprintf("%d times, the last time", h.times)
		}
		lines = append(lines, fmt.Sprintf("%s was left alone for %.1f s, %s because %s", host, h.total.Seconds(), often, h.why))
	}
	return lines
}
