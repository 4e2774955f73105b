package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/fleet"
	"github.com/berth-go/berth/examples/crawler/internal/frontier"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/crawler/internal/site"
	"github.com/berth-go/berth/examples/internal/engine"
	"github.com/berth-go/berth/examples/internal/goroot"
	"github.com/berth-go/berth/examples/internal/progress"
)

const (
	// lease is how long a slot stays held when nobody renews it: how long the
	// slots of a worker that was killed are missing.
	lease = 5 * time.Second

	// userAgent is the crawler's, up to what is known of whoever runs it.
	userAgent = "berth-crawler/0.1 (+https://github.com/berth-go/berth"
)

// A world is what a crawl goes through: a site, and a server for the slots.
type world struct {
	starts []*url.URL
	local  *site.Site      // nil: real sites
	launch launcher        // starts a worker
	server string          // URL of the engine; none: no slots
	own    *engine.Started // that engine, if it was started here
	strict bool            // it keeps the slots of the dead until their leases end
	ends   []func() error  // what Close calls, last first
}

// A launcher starts a worker with its setup; what it writes as its last words
// goes to stderr.
type launcher func(setup pipe.Setup, stderr io.Writer, events chan<- fleet.Event) (*fleet.Worker, error)

// run crawls as s says, shows it on out, and returns the exit status.
func run(s settings, out *os.File) (status int, err error) {
	w, err := open(s, out)
	if err != nil {
		return exitFailed, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	// Before this, Ctrl-C ends the process at once: nothing has begun.
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	fmt.Fprint(out, w.describe(s))

	display := progress.New(out)
	c := newCrawl(s, w, display, interrupts)
	err = c.run()
	display.Close()
	if err != nil {
		return exitFailed, err
	}
	report := c.report()
	if err := report.nothing(); err != nil {
		return exitFailed, err
	}
	fmt.Fprint(out, report)
	return report.status(), nil
}

// open starts what the crawl needs and checks what is there already. It says on out
// what may take a while.
func open(s settings, out io.Writer) (_ *world, err error) {
	w := &world{launch: launch, starts: s.urls}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if len(s.urls) == 0 {
		err = w.build(s)
	}
	if err != nil || s.unlimited {
		return w, err
	}
	if s.server == "" {
		return w, w.startEngine(s.engine, out)
	}
	w.server = s.server
	w.strict = engine.KeepsLeases(s.server)
	return w, engine.Reach(s.server, inAll(s.slots))
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
	top, err := url.Parse(w.local.URL())
	w.starts = []*url.URL{top}
	return err
}

// startEngine starts what the slots come from. Whatever it is, the slots of a worker
// that dies are given to others only when their leases have ended, since the site may
// go on with that worker's requests for a while.
func (w *world) startEngine(kind engine.Kind, out io.Writer) error {
	e, err := engine.Start(kind, out)
	if err != nil {
		return err
	}
	w.ends = append(w.ends, e.Close)
	w.own, w.server, w.strict = e, e.URL, true
	return nil
}

// describe says what is about to happen.
func (w *world) describe(s settings) string {
	text := fmt.Sprintf("site     %s", w.starts[0])
	for _, u := range w.starts[1:] {
		text += fmt.Sprintf("\n         %s", u)
	}
	if w.local != nil {
		text += fmt.Sprintf("  (the Go distribution's files, each page delayed by %d to %d ms, seed %d)",
			site.MinDelay.Milliseconds(), site.MaxDelay.Milliseconds(), s.seed)
	}
	switch {
	case s.unlimited:
		text += "\nslots    none are claimed; the site is watched for"
	case w.own != nil:
		text += fmt.Sprintf("\nslots    from %s, started %s at %s, leases of %v, for", w.own.Kind, w.own.Where, w.own.Address(), lease)
	default:
		text += fmt.Sprintf("\nslots    from %s, for", w.server)
	}
	text += fmt.Sprintf(" at most %d requests at once, %d on a host", s.slots, s.perHost)
	if s.rate > 0 {
		text += fmt.Sprintf(", %d begun in a second", s.rate)
	}
	if s.hostRate > 0 {
		text += fmt.Sprintf(", one on a host every %v", pace(s.hostRate))
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

// frontier returns the empty frontier.
func (w *world) frontier(s settings) *frontier.Frontier {
	return frontier.New(frontier.Config{
		Pages: s.pages, Slots: s.slots, PerHost: s.perHost, Hosts: w.hosts(s), Host: w.host,
	})
}

// hosts is on how many hosts the crawl works at a time. Twice as many as fill
// the slots keep them full, since a host at its own limit leaves slots to the
// others only while there are others; with many more no host would ever be at
// its limit. A rate per host asks for all there are, and so do real sites, of
// which some may want to be left alone for a while.
func (w *world) hosts(s settings) int {
	if s.hostRate > 0 || w.local == nil {
		return math.MaxInt
	}
	return 2 * ((s.slots + s.perHost - 1) / s.perHost)
}
