// Package page fetches a web page and finds the links on it.
package page

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// MaxHTML is how much of a page is searched for links.
const MaxHTML = 8 << 20

// A Page is what came of a fetch.
type Page struct {
	Status int
	Bytes  int64
	Links  []string // absolute, without fragments, each once
}

// A Fetcher fetches pages over connections that it keeps.
type Fetcher struct {
	client http.Client
	agent  string
}

// NewFetcher returns a Fetcher for so many fetches at once, which gives itself
// out as agent.
func NewFetcher(agent string, conns int) *Fetcher {
	return &Fetcher{
		agent: agent,
		client: http.Client{
			Timeout:   30 * time.Second,
			Transport: &http.Transport{MaxIdleConns: conns, MaxIdleConnsPerHost: conns, Proxy: http.ProxyFromEnvironment},
			// A redirect is a page of its own, whose one link is its target:
			// followed here, it would be a request without a slot.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Fetch gets the page at address and reads it to its end. An answer of any
// status is a page; the error says why there was none.
func (f *Fetcher) Fetch(ctx context.Context, address string) (Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Page{}, err
	}
	req.Header.Set("User-Agent", f.agent)
	res, err := f.client.Do(req)
	if err != nil {
		return Page{}, err
	}
	defer res.Body.Close()

	body := &counted{r: res.Body}
	p := Page{Status: res.StatusCode}
	switch {
	case res.Header.Get("Location") != "":
		p.Links = absolute(req.URL, []string{res.Header.Get("Location")})
	case strings.HasPrefix(res.Header.Get("Content-Type"), "text/html"):
		p.Links = absolute(req.URL, hrefs(io.LimitReader(body, MaxHTML)))
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return Page{}, fmt.Errorf("read %s: %w", address, err)
	}
	p.Bytes = body.n
	return p, nil
}

// Close ends idle connections.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// hrefs returns the targets of a document's links as they are written there. A
// document that breaks off has the links up to there.
func hrefs(r io.Reader) (found []string) {
	z := html.NewTokenizer(r)
	for {
		switch z.Next() {
		case html.ErrorToken:
			return found
		case html.StartTagToken, html.SelfClosingTagToken:
			if name, more := z.TagName(); string(name) == "a" && more {
				if target, ok := attribute(z, "href"); ok {
					found = append(found, target)
				}
			}
		}
	}
}

func attribute(z *html.Tokenizer, name string) (string, bool) {
	for {
		key, value, more := z.TagAttr()
		if string(key) == name {
			return string(value), true
		}
		if !more {
			return "", false
		}
	}
}

// absolute resolves targets against the page they were found on, and leaves out
// what is no web page and what is there already.
func absolute(base *url.URL, targets []string) (links []string) {
	seen := map[string]bool{}
	for _, target := range targets {
		u, err := base.Parse(strings.TrimSpace(target))
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			continue
		}
		u.Fragment, u.RawFragment = "", ""
		if u.Path == "" {
			u.Path = "/"
		}
		if s := u.String(); !seen[s] {
			seen[s] = true
			links = append(links, s)
		}
	}
	return links
}
