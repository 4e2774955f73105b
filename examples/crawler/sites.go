package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/page"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/crawler/internal/robots"
)

// maxHops is how many redirects in a row are followed for a robots.txt, and
// maxRedirects the same for a page.
const (
	maxHops      = 5
	maxRedirects = 10
)

// An origin is a scheme, host and port to crawl: what a robots.txt is about.
type origin struct {
	name  string // such as https://example.com
	host  string // the slot key
	rules *robots.Rules
	// pace is the time that it wants between an answer and the next request.
	pace time.Duration
	over string // why it was given up; none: it was not
}

// A start is a page where the crawl starts.
type start struct {
	address string
	origin  *origin
	// page is where it is by now: its own address, or what that redirects to.
	page  string
	read  bool
	fault string // why it was not read, and will not be
}

// An errand is a request for a robots.txt, which is no page of the crawl.
type errand struct {
	origin *origin
	url    string
	hops   int
	worker int // that has it
}

// sites are the origins of a crawl and its starts.
type sites struct {
	origins   map[string]*origin
	starts    []*start
	errands   []*errand           // to be handed out
	away      []*errand           // handed out
	redirects map[string]int      // in a row that led to a URL
	read      map[string]bool     // pages that were read
	forbidden map[string]struct{} // URLs that were found and may not be asked for
	failing   map[string]int      // URLs in a row of a host that had no answer
	given     []*origin           // those given up, in order
}

func newSites(w *world) *sites {
	s := &sites{
		origins: map[string]*origin{}, redirects: map[string]int{}, read: map[string]bool{},
		forbidden: map[string]struct{}{}, failing: map[string]int{},
	}
	for _, u := range w.starts {
		name := originOf(u)
		o := s.origins[name]
		if o == nil {
			o = &origin{name: name, host: u.Host}
			s.origins[name] = o
			if w.local != nil {
				o.rules = &robots.Rules{} // it is our own
			} else {
				s.errands = append(s.errands, &errand{origin: o, url: name + "/robots.txt"})
			}
		}
		s.starts = append(s.starts, &start{address: u.String(), origin: o, page: u.String()})
	}
	return s
}

func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }

// find returns the origin of an address, or nil if it is none of the crawl's.
func (s *sites) find(address string) (*origin, *url.URL) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil
	}
	return s.origins[originOf(u)], u
}

// wanted reports whether an address that was found is one of a page of the
// crawl that may be asked for. If not, why says so.
func (s *sites) wanted(address string) (why string, ok bool) {
	o, u := s.find(address)
	switch {
	case o == nil:
		return "which is another site: name it with -url, too", false
	case o.rules == nil:
		return "whose robots.txt is not known", false
	case !o.rules.Allows(u.RequestURI()):
		s.forbidden[address] = struct{}{}
		return "which robots.txt forbids", false
	}
	return "", true
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

// giveUp asks nothing more of a host.
func (c *crawl) giveUp(host, why string) {
	if !c.frontier.GiveUp(host) {
		return
	}
	for _, o := range c.sites.origins {
		if o.host == host {
			o.over = why
			c.sites.given = append(c.sites.given, o)
		}
	}
	c.display.Printf("%s is given up: %s", host, why)
	c.tell(nil, pipe.Pause{Host: host, Over: why})
}

// tell passes a pause on to all workers but the one that it came from.
func (c *crawl) tell(from *worker, p pipe.Pause) {
	for _, w := range c.workers {
		if w != from {
			w.Pause(p)
		}
	}
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

// follow adds where a page leads to.
func (c *crawl) follow(r pipe.Result) {
	for _, address := range r.Links {
		if _, ok := c.sites.wanted(address); ok {
			c.frontier.Add(address)
		}
	}
	if r.Target == "" || c.sites.redirects[r.URL] >= maxRedirects {
		return
	}
	if _, ok := c.sites.wanted(r.Target); ok && c.frontier.Add(r.Target) {
		c.sites.redirects[r.Target] = c.sites.redirects[r.URL] + 1
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
