package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/examples/crawler/internal/frontier"
	"github.com/berth-go/berth/examples/crawler/internal/page"
	"github.com/berth-go/berth/examples/crawler/internal/site"
	"github.com/berth-go/berth/examples/internal/address"
	"github.com/berth-go/berth/examples/internal/goroot"
	"github.com/berth-go/berth/examples/internal/progress"
)

const (
	// lease is how long a slot stays held when nobody renews it: how long the
	// slots of a worker that was killed are missing.
	lease = 5 * time.Second

	// patience is how long a robots.txt may take to come.
	patience = 4 * time.Second

	userAgent = "berth-crawler/0.1 (+https://github.com/berth-go/berth)"
)

// A world is what a crawl goes through: a site, and a server for the slots.
type world struct {
	start  *url.URL
	local  *site.Site     // nil: a real site
	robots *page.Robots   // nil: the local site, which allows everything
	server string         // address of the dflockd server; none: no slots
	strict bool           // that server keeps the slots of the dead until their leases end
	ends   []func() error // what Close calls, last first
}

// run crawls as s says, shows it on out, and returns the exit status.
func run(s settings, out *os.File) (status int, err error) {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)

	w, err := open(s)
	if err != nil {
		return exitFailed, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	fmt.Fprint(out, w.describe(s))

	display := progress.New(out)
	c := newCrawl(s, w, display, interrupts)
	err = c.run()
	display.Close()
	if err != nil {
		return exitFailed, err
	}
	report := c.report()
	fmt.Fprint(out, report)
	return report.status(), nil
}

// open starts what the crawl needs and checks what is there already.
func open(s settings) (_ *world, err error) {
	w := &world{}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if s.url != nil {
		err = w.visit(s.url)
	} else {
		err = w.build(s)
	}
	if err != nil || s.unlimited {
		return w, err
	}
	if s.server == "" {
		return w, w.startServer()
	}
	w.server = s.server
	return w, address.Reach(s.server, inAll(s.slots))
}

// build starts the local site.
func (w *world) build(s settings) error {
	dir, err := goroot.Dir()
	if err != nil {
		return err
	}
	if w.local, err = site.Start(os.DirFS(dir), s.seed, s.slots); err != nil {
		return err
	}
	w.ends = append(w.ends, w.local.Close)
	w.start, err = url.Parse(w.local.URL())
	return err
}

// visit asks a real site for its rules.
func (w *world) visit(start *url.URL) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("the site does not answer"))
	defer cancel()
	f := page.NewFetcher(userAgent, 1)
	defer f.Close()
	var err error
	if w.robots, err = f.Robots(ctx, start); err != nil {
		return err
	}
	if !w.robots.Allows(start.String()) {
		return fmt.Errorf("the robots.txt of %s forbids %s", start.Host, start)
	}
	w.start = start
	return nil
}

// startServer starts a dflockd server in this process. It is strict: the slots
// of a worker that dies are given to others only when their leases have ended,
// since the site may go on with that worker's requests for a while.
func (w *world) startServer() error {
	srv, err := server.Start(context.Background(),
		server.WithAddress("127.0.0.1:0"), server.WithDefaultLease(lease), server.WithAutoRelease(false))
	if err != nil {
		return fmt.Errorf("start the dflockd server: %w", err)
	}
	w.ends = append(w.ends, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return srv.Shutdown(ctx)
	})
	w.server, w.strict = srv.Addr().String(), true
	return nil
}

// describe says what is about to happen.
func (w *world) describe(s settings) string {
	text := fmt.Sprintf("site     %s", w.start)
	if w.local != nil {
		text += fmt.Sprintf("  (the Go distribution's files, each page delayed by %d to %d ms, seed %d)",
			site.MinDelay.Milliseconds(), site.MaxDelay.Milliseconds(), s.seed)
	}
	switch {
	case s.unlimited:
		text += "\nslots    none are claimed; the site is watched for"
	case s.server == "":
		text += fmt.Sprintf("\nslots    from a dflockd server started here at %s, leases of %v, for", w.server, lease)
	default:
		text += fmt.Sprintf("\nslots    from the dflockd server at %s, for", w.server)
	}
	text += fmt.Sprintf(" at most %d requests at once, %d on a host", s.slots, s.perHost)
	if s.rate > 0 {
		text += fmt.Sprintf(", %d begun in a second", s.rate)
	}
	if d := w.hostPace(s.hostRate); d > 0 {
		text += fmt.Sprintf(", one on a host every %v", d)
	}
	return text + fmt.Sprintf("\nworkers  %d processes with %d each\n\n", s.procs, s.workers)
}

// Close ends what open started.
func (w *world) Close() error {
	var errs []error
	for i := len(w.ends) - 1; i >= 0; i-- {
		errs = append(errs, w.ends[i]())
	}
	w.ends = nil
	return errors.Join(errs...)
}

// wanted reports whether a link that was found leads to a page of the crawl.
func (w *world) wanted(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == w.start.Scheme && u.Host == w.start.Host &&
		(w.robots == nil || w.robots.Allows(link))
}

// host returns the host that a URL of the crawl belongs to.
func (w *world) host(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		panic("bug: a URL in the frontier is none: " + link)
	}
	if w.local == nil {
		return u.Host
	}
	return site.Host(u.EscapedPath())
}

// pace is the time between two starts of which there may be so many a second.
func pace(rate int) time.Duration {
	if rate == 0 {
		return 0
	}
	return time.Second / time.Duration(rate)
}

// hostPace is the time between two starts on a host. A real site may ask for
// more of it than the user did.
func (w *world) hostPace(rate int) time.Duration {
	if w.robots != nil {
		return max(pace(rate), w.robots.CrawlDelay())
	}
	return pace(rate)
}

// frontier returns the frontier with the start page in it.
func (w *world) frontier(s settings) *frontier.Frontier {
	f := frontier.New(frontier.Config{
		Pages: s.pages, Slots: s.slots, PerHost: s.perHost, Hosts: w.hosts(s), Host: w.host,
	})
	f.Add(w.start.String())
	return f
}

// hosts is on how many hosts the crawl works at a time. Twice as many as fill
// the slots keep them full, since a host at its own limit leaves slots to the
// others only while there are others; with many more no host would ever be at
// its limit. A rate per host asks for all there are.
func (w *world) hosts(s settings) int {
	if w.hostPace(s.hostRate) > 0 {
		return math.MaxInt
	}
	return 2 * ((s.slots + s.perHost - 1) / s.perHost)
}
