package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"

	"github.com/berth-go/berth/examples/internal/address"
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

	server string   // of dflockd; none: one is started
	url    *url.URL // of a real site; nil: the local one

	kill      bool
	unlimited bool
}

const usage = `Usage: crawler [flags]

Crawls a web site with several worker processes that share one limit: so many
requests at once in all, and so many on each host, whichever process makes them.
Without flags it starts a dflockd server and a web site on this machine, crawls
3,000 pages, and shows what the site saw. It needs no network.

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
	var s settings
	var site string
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
	f.StringVar(&s.server, "server", "", "claim the slots from the dflockd server at `host:port` instead of\nstarting one; crawlers with the same server share the limits")
	f.StringVar(&site, "url", "", "crawl the real site at this `URL` instead of the local one:\nits pages only, and as its robots.txt allows")
	f.BoolVar(&s.kill, "kill", false, "kill one worker process (SIGKILL) after a third of the pages; with\n-server, only one that runs with --no-auto-release-on-disconnect keeps\nthe limits then, since the site goes on with the dead worker's requests")
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
	if s.url, err = parseURL(site); err != nil {
		return s, err
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
		if err := address.Check(s.server); err != nil {
			return fmt.Errorf("-server %w", err)
		}
	}
	switch {
	case s.kill && s.procs < 2:
		return errors.New("-kill needs -procs 2 or more: somebody must finish the dead worker's pages")
	case s.unlimited && given["server"]:
		return errors.New("-unlimited claims no slots, so -server makes no sense with it")
	case s.unlimited && s.rate+s.hostRate > 0:
		return errors.New("-unlimited claims no slots, so -rate and -host-rate make no sense with it")
	case s.unlimited && s.url != nil:
		return errors.New("-unlimited is for the local site only: be kind to real ones")
	case given["seed"] && s.url != nil:
		return errors.New("-seed is for the local site only, so it makes no sense with -url")
	}
	return nil
}

// parseURL returns the web address that text is, or nil if it is empty.
func parseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("-url %q: want a web address, such as https://example.com/", text)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}
