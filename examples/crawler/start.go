package main

import (
	"fmt"

	"github.com/berth-go/berth/examples/crawler/internal/pipe"
)

// A start is a page where the crawl starts.
type start struct {
	address string
	origin  *origin
	// page is where it is by now: its own address, or what that redirects to.
	page  string
	read  bool
	fault string // why it was not read, and will not be
}

// begin adds the start pages whose rules are known without asking.
func (c *crawl) begin() {
	for _, o := range c.sites.origins {
		if o.rules != nil {
			c.enter(o)
		}
	}
}

// enter adds the start pages of an origin whose rules are known by now.
func (c *crawl) enter(o *origin) {
	if o.pace > 0 {
		c.frontier.Slow(o.host)
	}
	for _, s := range c.sites.starts {
		if s.origin != o {
			continue
		}
		if _, ok := c.sites.wanted(s.address); !ok {
			s.fault = "its robots.txt forbids it"
			continue
		}
		c.frontier.Add(s.address)
	}
}

// advance enters what a result means for the starts that are at its URL.
func (c *crawl) advance(r pipe.Result) {
	for _, s := range c.sites.starts {
		if s.page != r.URL || s.read || s.fault != "" {
			continue
		}
		switch {
		case r.Err != "":
			s.fault = r.Err
		case r.Target != "":
			c.moveStart(s, r.Target)
		case r.Status >= 300:
			s.fault = fmt.Sprintf("it is answered %d", r.Status)
		case !r.HTML:
			s.fault = "it is no HTML, so there are no links on it"
		default:
			s.read = true
		}
	}
}

// moveStart goes on with a start page at the place to which it redirects.
func (c *crawl) moveStart(s *start, target string) {
	why, ok := c.sites.wanted(target)
	switch {
	case !ok:
		s.fault = fmt.Sprintf("it redirects to %s, %s", target, why)
	case c.sites.read[target]:
		s.read = true
	case !c.frontier.Pending(target):
		s.fault = fmt.Sprintf("its redirects lead nowhere: %s was asked for already, or is one too many", target)
	default:
		s.page = target
	}
}

// finishStarts says why start pages were not read of which nothing was heard.
func (c *crawl) finishStarts() {
	for _, s := range c.sites.starts {
		switch {
		case s.read || s.fault != "":
		case s.origin.over != "":
			s.fault = s.origin.over
		default:
			s.fault = "the crawl ended before it could be"
		}
	}
}
