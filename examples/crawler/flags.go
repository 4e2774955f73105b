package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/link"
	"github.com/berth-go/berth/examples/internal/board"
	"github.com/berth-go/berth/examples/internal/engine"
)

// settings are what the flags say.
type settings struct {
	pages   int
	procs   int
	workers int
	slots   int
	perHost int
	seed    uint64

	rate     int // starts a second in all processes; 0: as many as the slots allow
	hostRate int // the same for each host

	engine engine.Kind // that is started
	server string      // URL of an engine that runs; none: one is started
	urls   []*url.URL  // of real sites; none: the local one

	maxWait time.Duration // that a host may put the crawl off
	limit   time.Duration // of the whole crawl; 0: none
	contact string        // of whoever runs the crawl
	http    string        // where the dashboard of the first worker process is; none: there are none

	kill      bool
	unlimited bool
}

const usage = `Usage: crawler [flags]

Crawls a web site with several worker processes that share one limit: so many
requests at once in all, and so many on each host, whichever process makes them.
Without flags it starts a dflockd server and a web site on this machine, crawls
3,000 pages, and shows what the site saw. It needs no network.

With -url it crawls real sites, and is polite: it asks for robots.txt first and
does as it says, never asks for a page twice, comes back when it is told to, and
leaves a site alone that has no answers. It says "ok" and exits with status 0
only if it read the page that you named and lost none of those it found there.

`

// The most of what each process costs.
const (
	maxProcs   = 64
	maxWorkers = 10_000
	maxRate    = 1_000 // beyond, the round trips to the server are the limit
)

// parse reads the flags. It returns flag.ErrHelp after it has printed the help
// to out.
func parse(args []string, out io.Writer) (settings, error) {
	s := settings{engine: engine.Dflockd}
	f := flag.NewFlagSet("crawler", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is one line, printed by the caller
	f.IntVar(&s.pages, "pages", 3000, "fetch exactly `N` pages, or all there are")
	f.IntVar(&s.procs, "procs", 3, "start `N` worker processes")
	f.IntVar(&s.workers, "workers", 32, "`N` workers in each process")
	f.IntVar(&s.slots, "slots", 12, "at most `N` requests at once, in all processes together")
	f.IntVar(&s.perHost, "per-host", 4, "at most `N` requests at once on a host; the local site has a host\nfor each folder of the first two levels, such as src/net")
	f.IntVar(&s.rate, "rate", 0, "at most `N` requests begun in a second, in all processes together\n(default: as many as the slots allow)")
	f.IntVar(&s.hostRate, "host-rate", 0, "at most `N` requests begun in a second on a host\n(default: as many as the slots allow)")
	f.Uint64Var(&s.seed, "seed", 1, "draw the delays of the local site's pages from seed `N`")
	f.Func("engine", "start this `kind` of engine for the slots: dflockd, etcd or redis\n(default dflockd); etcd is compiled first, Redis has to be installed", func(name string) (err error) {
		s.engine, err = engine.ParseKind(name)
		return err
	})
	f.StringVar(&s.server, "server", "", "claim the slots from the dflockd server at `host:port`, or from the\nengine at etcd://host:port or redis://host:port, instead of starting\none; crawlers with the same server share the limits")
	f.Func("url", "crawl the real site at this `URL` instead of the local one: pages of\nthe same scheme, host and port only, and as its robots.txt allows;\ncan be given several times", func(text string) error {
		u, err := parseURL(text)
		s.urls = append(s.urls, u)
		return err
	})
	f.DurationVar(&s.maxWait, "max-wait", time.Minute, "with -url: wait for a host that asks for it (Retry-After, Crawl-delay,\na robots.txt that cannot be had) for so `long` at most; one that asks\nfor more is given up, and the pages left are counted")
	f.DurationVar(&s.limit, "for", 0, "end the crawl after so `long`, and count the pages left\n(default: when all is done)")
	f.StringVar(&s.contact, "contact", "", "with -url: an address or a page of `yours`, for the User-Agent, so that\nthe sites' owners can reach you")
	f.StringVar(&s.http, "http", "", "show the pool of each worker process on a page at `host:port`, the\nports after it for the others; on this machine only (default: none)")
	f.BoolVar(&s.kill, "kill", false, "kill one worker process (SIGKILL) after a third of the pages; of the\ndflockd servers that -server may name, only one that runs with\n--no-auto-release-on-disconnect keeps the limits then, since the site\ngoes on with the dead worker's requests")
	f.BoolVar(&s.unlimited, "unlimited", false, "claim no slots, to see that the site notices: exits with status 1")

	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, usage)
		f.SetOutput(out)
		f.PrintDefaults()
		return s, err
	}
	if err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q: everything is said by flags", f.Arg(0))
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return s, s.check(given)
}

// check says what is wrong with the settings, of which those given were given.
func (s *settings) check(given map[string]bool) error {
	for _, n := range []struct {
		flag       string
		value, max int
		optional   bool // need not be given
	}{
		{"pages", s.pages, 0, false},
		{"procs", s.procs, maxProcs, false},
		{"workers", s.workers, maxWorkers, false},
		{"slots", s.slots, 0, false},
		{"per-host", s.perHost, 0, false},
		{"rate", s.rate, maxRate, true},
		{"host-rate", s.hostRate, maxRate, true},
	} {
		if n.optional && !given[n.flag] {
			continue
		}
		if n.value < 1 {
			return fmt.Errorf("-%s %d: must be at least 1", n.flag, n.value)
		}
		if n.max > 0 && n.value > n.max {
			return fmt.Errorf("-%s %d: must be at most %d", n.flag, n.value, n.max)
		}
	}
	if given["server"] {
		if err := engine.Check(s.server); err != nil {
			return fmt.Errorf("-server %w", err)
		}
	}
	if given["http"] {
		if err := board.Check(s.http); err != nil {
			return fmt.Errorf("-http %w", err)
		}
	}
	if s.maxWait <= 0 {
		return fmt.Errorf("-max-wait %v: must be longer than 0", s.maxWait)
	}
	if given["for"] && s.limit <= 0 {
		return fmt.Errorf("-for %v: must be longer than 0", s.limit)
	}
	if !isComment(s.contact) {
		return fmt.Errorf("-contact %q: want an address such as you@example.com, without spaces and brackets", s.contact)
	}
	switch {
	case len(s.urls) == 0 && (given["max-wait"] || given["contact"]):
		return errors.New("-max-wait and -contact are for real sites only, so they need -url")
	case s.kill && s.procs < 2:
		return errors.New("-kill needs -procs 2 or more: somebody must finish the dead worker's pages")
	case given["engine"] && given["server"]:
		return errors.New("-engine starts an engine, and -server names one that runs: give one of them")
	case s.unlimited && (given["server"] || given["engine"]):
		return errors.New("-unlimited claims no slots, so -server and -engine make no sense with it")
	case s.unlimited && s.rate+s.hostRate > 0:
		return errors.New("-unlimited claims no slots, so -rate and -host-rate make no sense with it")
	case s.unlimited && len(s.urls) > 0:
		return errors.New("-unlimited is for the local site only: be kind to real ones")
	case given["seed"] && len(s.urls) > 0:
		return errors.New("-seed is for the local site only, so it makes no sense with -url")
	}
	return nil
}

// parseURL returns the web address that text is, in the form that links have.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errNoURL
	}
	address, ok := link.Normal(u)
	if !ok {
		return nil, errNoURL
	}
	return url.Parse(address)
}

var errNoURL = errors.New("want a web address, such as https://example.com/")

// isComment reports whether text may stand between brackets in a User-Agent.
func isComment(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7F || strings.ContainsRune("()\\;", r) })
}

// agent is the User-Agent of the crawl: what it is, where to read about it, and
// whom to write to.
func (s *settings) agent() string {
	if s.contact == "" {
		return userAgent + ")"
	}
	return userAgent + "; " + s.contact + ")"
}
