package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/link"
	"github.com/berth-go/berth/examples/crawler/internal/robots"
	"github.com/berth-go/berth/middleware"
)

const (
	// MaxBody is how many bytes of a page are read, after they were unpacked.
	MaxBody = 8 << 20

	// MaxTime is how long a fetch may take, from the dial to the last byte.
	MaxTime = 10 * time.Second

	// maxDrain is how much of an answer that nobody needs is read, to keep the
	// connection.
	maxDrain = 4 << 10
)

// ErrCutOff is returned when a page was longer than MaxBody, or had not ended
// after MaxTime. To ask again would not help.
var ErrCutOff = errors.New("the page does not end")

var errTooSlow = fmt.Errorf("no whole answer within %v", MaxTime)

// A LaterError is returned when the site asks the crawler to come back later.
type LaterError struct {
	URL    string
	Status int
	// After is the time that the site asks for. Named is false if it did not
	// say how long.
	After time.Duration
	Named bool
}

func (e *LaterError) Error() string {
	text := fmt.Sprintf("%s is answered %d %s", e.URL, e.Status, http.StatusText(e.Status))
	if e.Named {
		text += fmt.Sprintf(", and to come back in %v", e.After)
	}
	return text
}

// A Page is what came of a fetch.
type Page struct {
	Status int
	Bytes  int64    // that were read of the body
	HTML   bool     // its links were looked for
	Links  []string // where they lead, in normal form, each once
	Target string   // where a redirect leads, in normal form; none: it is no redirect
	// NoIndex says that the site does not want the page to be kept for others
	// to find.
	NoIndex bool
}

// Config is what a Fetcher is made of.
type Config struct {
	Agent string // the value of User-Agent; what is before the slash names the crawler
	Conns int    // how many fetches there are at once
	// Whole says that pages which are no HTML are read to their end as well.
	Whole bool
	// Dial opens connections; nil: to the network, through the proxy that the
	// environment names.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// A Fetcher fetches pages over connections that it keeps for a while. It is safe
// for concurrent use.
type Fetcher struct {
	cfg    Config
	client http.Client
}

// NewFetcher returns a Fetcher. Close ends the connections that it keeps.
func NewFetcher(cfg Config) *Fetcher {
	var protocols http.Protocols
	protocols.SetHTTP1(true) // where an empty body is none on the wire either: see once
	transport := &http.Transport{
		Protocols:    &protocols,
		MaxIdleConns: cfg.Conns, MaxIdleConnsPerHost: cfg.Conns, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DialContext:            cfg.Dial,
	}
	if cfg.Dial == nil {
		transport.Proxy = http.ProxyFromEnvironment
	}
	return &Fetcher{cfg: cfg, client: http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends idle connections.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// Product is the name under which a User-Agent is found in a robots.txt.
func Product(agent string) string {
	product, _, _ := strings.Cut(agent, "/")
	return product
}

// Fetch gets the page at address. It blocks for MaxTime at most. An answer of
// any status is a page, unless it is a *LaterError; any other error than that
// and ErrCutOff means that there was no answer, and may be none the next time.
func (f *Fetcher) Fetch(ctx context.Context, address string) (Page, error) {
	return get(ctx, f, address, f.read)
}

// get makes one request and returns what read makes of the answer.
func get[T any](ctx context.Context, f *Fetcher, address string, read func(*http.Response) (T, error)) (T, error) {
	var nothing T
	ctx, cancel := context.WithTimeoutCause(ctx, MaxTime, errTooSlow)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, once())
	if err != nil {
		return nothing, err
	}
	req.Header.Set("User-Agent", f.cfg.Agent)
	res, err := f.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nothing, fmt.Errorf("get %s: %w", address, unwrapped(err))
	}
	defer res.Body.Close()
	if later := laterError(address, res); later != nil {
		drain(res)
		return nothing, later
	}
	got, err := read(res)
	if err != nil {
		if errors.Is(context.Cause(ctx), errTooSlow) {
			err = fmt.Errorf("%w: %w", ErrCutOff, errTooSlow)
		}
		return nothing, fmt.Errorf("read %s: %w", address, err)
	}
	return got, nil
}

// once returns an empty body, which is not sent. With it a request is made once:
// one without a body the transport repeats at once, and without being asked, when
// the site closes a kept connection instead of answering.
func once() io.Reader { return io.NopCloser(strings.NewReader("")) }

// unwrapped returns err without the method and the address, which are said
// already.
func unwrapped(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// laterError returns the error that an answer is which asks to come back later,
// or nil. A 403 with a time is how some sites bound the rate.
func laterError(address string, res *http.Response) *LaterError {
	after, named := middleware.ParseRetryAfter(res.Header.Get("Retry-After"), time.Now())
	switch {
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable,
		named && (res.StatusCode >= 500 || res.StatusCode == http.StatusForbidden):
		return &LaterError{URL: address, Status: res.StatusCode, After: after, Named: named}
	}
	return nil
}

// read makes a page of an answer.
func (f *Fetcher) read(res *http.Response) (Page, error) {
	asked := directivesOf(res.Header, Product(f.cfg.Agent))
	p := Page{Status: res.StatusCode, NoIndex: asked.noIndex}
	switch {
	case isRedirect(res):
		if !asked.noFollow {
			p.Target, _ = link.Resolve(res.Request.URL, res.Header.Get("Location"))
		}
		drain(res)
		return p, nil
	case isHTML(res) && res.StatusCode < 300:
		err := f.readHTML(res, asked, &p)
		return p, err
	case f.cfg.Whole:
		var err error
		p.Bytes, err = io.Copy(io.Discard, res.Body)
		return p, err
	}
	drain(res)
	return p, nil
}

// readHTML enters what a document says into p.
func (f *Fetcher) readHTML(res *http.Response, asked directives, p *Page) error {
	if res.ContentLength > MaxBody {
		return tooLong(res.ContentLength)
	}
	body := &bounded{r: res.Body}
	doc := parse(body, res.Header.Get("Content-Type"), Product(f.cfg.Agent))
	// The parser does not tell the end from an error, and what is after the end
	// of a document counts, too.
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	p.HTML, p.Bytes = true, body.n
	p.NoIndex = p.NoIndex || doc.noIndex
	if !asked.noFollow && !doc.noFollow {
		p.Links = doc.links(res.Request.URL)
	}
	return nil
}

// Robots is what came of the request for a robots.txt.
type Robots struct {
	Text   []byte // nothing: all is allowed
	Target string // of a redirect
}

// Robots asks for the robots.txt at address. Where there is none, all is
// allowed: that is what an answer of the 400s means. An error means that the
// rules cannot be known now, so that nothing may be asked for; a *LaterError
// includes every status of the 500s.
func (f *Fetcher) Robots(ctx context.Context, address string) (Robots, error) {
	return get(ctx, f, address, readRobots)
}

func readRobots(res *http.Response) (Robots, error) {
	switch {
	case isRedirect(res):
		drain(res)
		target, ok := link.Resolve(res.Request.URL, res.Header.Get("Location"))
		if !ok {
			return Robots{}, fmt.Errorf("it redirects to %q, which is no web address", res.Header.Get("Location"))
		}
		return Robots{Target: target}, nil
	case res.StatusCode >= 200 && res.StatusCode < 300:
		text, err := io.ReadAll(io.LimitReader(res.Body, robots.MaxSize+1))
		return Robots{Text: text}, err
	case res.StatusCode >= 400 && res.StatusCode < 500:
		drain(res)
		return Robots{}, nil
	}
	return Robots{}, &LaterError{URL: res.Request.URL.String(), Status: res.StatusCode}
}

// isRedirect reports whether an answer says where the page is instead.
func isRedirect(res *http.Response) bool {
	return slices.Contains([]int{301, 302, 303, 307, 308}, res.StatusCode) && res.Header.Get("Location") != ""
}

// isHTML reports whether an answer is a document with links that can be read.
func isHTML(res *http.Response) bool {
	if packed := res.Header.Get("Content-Encoding"); packed != "" && !strings.EqualFold(packed, "identity") {
		return false // gzip is unpacked by now, and nothing else was asked for
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return kind == "text/html" || kind == "application/xhtml+xml"
}

// drain reads an answer that nobody needs to its end, if that is near: else
// Close ends the connection, which costs less.
func drain(res *http.Response) {
	if res.ContentLength > 0 && res.ContentLength <= maxDrain {
		// Whatever comes of it, the headers were all that matters.
		_, _ = io.Copy(io.Discard, res.Body)
	}
}

func tooLong(n int64) error {
	return fmt.Errorf("%w: it has %d bytes or more, and at most %d are read", ErrCutOff, n, int64(MaxBody))
}

// A bounded reader counts, and fails beyond MaxBody.
type bounded struct {
	r io.Reader
	n int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > MaxBody {
		return 0, tooLong(b.n)
	}
	return n, err
}
