package main

import (
	"net/url"
	"time"

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
