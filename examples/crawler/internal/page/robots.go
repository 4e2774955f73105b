package page

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/temoto/robotstxt"
)

// Robots is what a site's robots.txt allows one crawler.
type Robots struct {
	group *robotstxt.Group
}

// Robots asks the site of base for its robots.txt. A site without one allows
// everything; one whose robots.txt cannot be had now must not be crawled now,
// which is the error.
func (f *Fetcher) Robots(ctx context.Context, base *url.URL) (*Robots, error) {
	address := base.ResolveReference(&url.URL{Path: "/robots.txt"}).String()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", f.agent)
	// Unlike a page, robots.txt may be elsewhere: redirects are followed.
	client := f.client
	client.CheckRedirect = nil
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no robots.txt, so no crawl: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 500 {
		return nil, fmt.Errorf("no robots.txt, so no crawl: %s answers %s", address, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 512<<10))
	if err != nil {
		return nil, fmt.Errorf("no robots.txt, so no crawl: %w", err)
	}
	data, err := robotstxt.FromStatusAndBytes(res.StatusCode, text)
	if err != nil {
		return nil, fmt.Errorf("robots.txt of %s: %w", base.Host, err)
	}
	return &Robots{data.FindGroup(f.agent)}, nil
}

// Allows reports whether the crawler may fetch address.
func (r *Robots) Allows(address string) bool {
	u, err := url.Parse(address)
	return err == nil && r.group.Test(u.RequestURI())
}

// CrawlDelay is the time that the site wants between two fetches, or 0.
func (r *Robots) CrawlDelay() time.Duration { return r.group.CrawlDelay }
