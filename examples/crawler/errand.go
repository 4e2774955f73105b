package main

import (
	"fmt"
	"net/url"

	"github.com/berth-go/berth/examples/crawler/internal/page"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/crawler/internal/robots"
)

// An errand is a request for a robots.txt, which is no page of the crawl.
type errand struct {
	origin *origin
	url    string
	hops   int
	worker int // that has it
}

// errandsAt is how many errands a worker has.
func (s *sites) errandsAt(worker int) (n int) {
	for _, e := range s.away {
		if e.worker == worker {
			n++
		}
	}
	return n
}

// takeErrand ends the hand-out of a worker's errand, or returns nil if it has
// none with this URL.
func (s *sites) takeErrand(worker int, url string) *errand {
	for i, e := range s.away {
		if e.worker == worker && e.url == url {
			s.away = append(s.away[:i], s.away[i+1:]...)
			return e
		}
	}
	return nil
}

// returnErrands gives back those of a worker that is gone.
func (s *sites) returnErrands(worker int) {
	kept := s.away[:0]
	for _, e := range s.away {
		if e.worker == worker {
			s.errands = append(s.errands, e)
			continue
		}
		kept = append(kept, e)
	}
	s.away = kept
}

// bookErrand enters what came of a request for a robots.txt.
func (c *crawl) bookErrand(e *errand, r pipe.Result) {
	switch {
	case r.Again:
		c.unfinished(r)
		c.sites.errands = append(c.sites.errands, e)
	case r.Err != "":
		c.giveUp(e.origin.host, "without its robots.txt nothing may be asked for: "+r.Err)
	case r.Target != "" && e.hops == maxHops:
		c.giveUp(e.origin.host, fmt.Sprintf("without its robots.txt nothing may be asked for: more than %d redirects lead to it", maxHops))
	case r.Target != "":
		c.sites.errands = append(c.sites.errands, &errand{origin: e.origin, url: r.Target, hops: e.hops + 1})
	default:
		c.futile = 0
		c.learn(e.origin, robots.Parse(r.Text, page.Product(c.agent())))
	}
}

// learn begins the crawl of an origin whose rules are known now.
func (c *crawl) learn(o *origin, rules *robots.Rules) {
	o.rules, o.pace = rules, rules.CrawlDelay()
	if o.pace > 0 {
		c.display.Printf("%s asks for %v between two requests", o.name, o.pace)
	}
	c.enter(o)
}

// host is the slot key of the host that an errand goes to, which is
// another than the origin's after a redirect.
func (e *errand) host() string {
	u, err := url.Parse(e.url)
	if err != nil {
		panic("bug: the address of a robots.txt is none: " + e.url)
	}
	return u.Host
}
