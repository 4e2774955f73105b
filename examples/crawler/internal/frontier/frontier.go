// Package frontier keeps the books of a crawl: which URLs are known, which wait
// to be fetched, which worker has which, and what became of each.
//
// It is pure: no clock, goroutine or I/O, and one goroutine uses it.
//
// Invariant: every URL that was added is in exactly one state, and a URL that
// was handed out leaves Out only as Fetched, Failed or Left, or back to Waiting.
package frontier

import (
	"fmt"
	"slices"
)

// A State is where a URL stands.
type State int

const (
	Unknown State = iota // never seen
	Waiting              // known, not handed out
	Out                  // a worker has it
	Fetched              // the site answered, whatever the status
	Failed               // no answer could be had
	Left                 // not asked for any more: its host was given up
)

func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Waiting:
		return "waiting"
	case Out:
		return "out"
	case Fetched:
		return "fetched"
	case Failed:
		return "failed"
	case Left:
		return "left"
	}
	panic("bug: no such state of a URL")
}

// Config says how much to crawl and under which limits, which decide the order.
type Config struct {
	Pages   int                     // fetch exactly so many, or all there are
	Slots   int                     // so many at once
	PerHost int                     // so many at once on a host
	Hosts   int                     // work on so many hosts at a time, if there are as many
	Host    func(url string) string // the host that a URL belongs to
}

// A Frontier is the set of URLs of one crawl.
type Frontier struct {
	cfg   Config
	urls  map[string]*page
	hosts map[string]*host
	// line has the hosts with waiting URLs, the longest known first. Only the
	// first Hosts of it are worked on.
	line []*host
	// back has the URLs that were given back. They go out before all others:
	// else the pages wanted might be fetched without them, and they be lost.
	back []string

	out    map[int]int // by worker
	counts Counts
	fill   int // slots that what is out could fill: the sum of min(PerHost, out) over hosts
}

type page struct {
	state  State
	worker int  // that has it, while Out
	given  bool // is handed out, or was at least once
	back   bool // was given back at least once
}

type host struct {
	name    string
	waiting []string
	out     int
	slow    bool // by Slow: one URL at a time
	over    bool // by GiveUp: its URLs are left
}

// Counts sums a frontier up.
type Counts struct {
	Known     int // URLs ever added
	Waiting   int
	Out       int
	Fetched   int
	Failed    int
	Left      int
	GivenBack int // times that a URL came back unfinished
	Again     int // URLs fetched or failed after they had been given back
	// Full counts the pages that were fetched while what was out could have
	// filled all slots, and FullHost those fetched while their host had twice
	// as many out as it has slots: whether the limits could have been reached.
	Full, FullHost int
}

// New returns an empty frontier.
func New(cfg Config) *Frontier {
	return &Frontier{cfg: cfg, urls: map[string]*page{}, hosts: map[string]*host{}, out: map[int]int{}}
}

// Add makes url known and reports whether it was new.
func (f *Frontier) Add(url string) bool {
	if f.urls[url] != nil {
		return false
	}
	f.counts.Known++
	h := f.host(url)
	if h.over {
		f.urls[url] = &page{state: Left}
		f.counts.Left++
		return true
	}
	f.urls[url] = &page{state: Waiting}
	f.counts.Waiting++
	if len(h.waiting) == 0 {
		f.line = append(f.line, h)
	}
	h.waiting = append(h.waiting, url)
	return true
}

// ahead is how many URLs of a host are out at most for each of its slots:
// enough that none is idle, and not so many that a slow host's fill all workers.
const ahead = 4

// Take hands out a URL to worker, if one may go out now: hosts have room for
// more, and the pages wanted are not all fetched or on their way.
func (f *Frontier) Take(worker int) (url, hostName string, ok bool) {
	if f.counts.Fetched+f.counts.Out >= f.cfg.Pages {
		return "", "", false
	}
	if url, ok = f.next(); !ok {
		return "", "", false
	}
	f.counts.Waiting--
	p, h := f.urls[url], f.host(url)
	p.state, p.worker, p.given = Out, worker, true
	f.moveOut(h, worker, +1)
	return url, h.name, true
}

// next takes a URL from those that wait.
func (f *Frontier) next() (url string, ok bool) {
	if len(f.back) > 0 {
		url, f.back = f.back[0], f.back[1:]
		return url, true
	}
	h := f.pick()
	if h == nil {
		return "", false
	}
	url, h.waiting = h.waiting[0], h.waiting[1:]
	if len(h.waiting) == 0 {
		f.leaveLine(h)
	}
	return url, true
}

// pick returns the host at the front of the line that has the least out, or
// nil if none there may have more.
func (f *Frontier) pick() (best *host) {
	for _, h := range f.line[:min(f.cfg.Hosts, len(f.line))] {
		if h.out < f.most(h) && (best == nil || h.out < best.out) {
			best = h
		}
	}
	return best
}

// most is how many URLs of a host are out at most.
func (f *Frontier) most(h *host) int {
	if h.slow {
		return 1
	}
	return ahead * f.cfg.PerHost
}

// Slow makes the URLs of a host go out one at a time.
func (f *Frontier) Slow(name string) { f.named(name).slow = true }

// GiveUp leaves the URLs of a host that wait, and those that will be added or
// given back. It reports whether the host was not given up before.
func (f *Frontier) GiveUp(name string) bool {
	h := f.named(name)
	if h.over {
		return false
	}
	h.over = true
	if len(h.waiting) > 0 {
		f.leaveLine(h)
	}
	f.leave(h.waiting)
	h.waiting = nil
	f.back = slices.DeleteFunc(f.back, func(url string) bool {
		if f.host(url) != h {
			return false
		}
		f.leave([]string{url})
		return true
	})
	return true
}

// leave enters that URLs which wait are left.
func (f *Frontier) leave(urls []string) {
	for _, url := range urls {
		f.urls[url].state = Left
	}
	f.counts.Waiting -= len(urls)
	f.counts.Left += len(urls)
}

// Fetched records that the site answered url.
func (f *Frontier) Fetched(url string) error {
	h := f.host(url)
	full, fullHost := f.CouldFill(), h.out >= 2*f.cfg.PerHost
	if err := f.end(url, Fetched); err != nil {
		return err
	}
	f.counts.Fetched++
	if full {
		f.counts.Full++
	}
	if fullHost {
		f.counts.FullHost++
	}
	return nil
}

// Failed records that url could not be had.
func (f *Frontier) Failed(url string) error {
	if err := f.end(url, Failed); err != nil {
		return err
	}
	f.counts.Failed++
	return nil
}

func (f *Frontier) end(url string, s State) error {
	p, err := f.takeBack(url)
	if err != nil {
		return err
	}
	p.state = s
	if p.back {
		f.counts.Again++
	}
	return nil
}

// Return gives url back unfinished, to be handed out again before others, unless
// its host was given up. If nobody asked the site for it, it is as if it had not
// been handed out.
func (f *Frontier) Return(url string, asked bool) error {
	p, err := f.takeBack(url)
	if err != nil {
		return err
	}
	if asked {
		p.back = true
		f.counts.GivenBack++
	}
	p.given = p.back
	if f.host(url).over {
		p.state = Left
		f.counts.Left++
		return nil
	}
	p.state = Waiting
	f.counts.Waiting++
	f.back = append(f.back, url)
	return nil
}

// ReturnAll gives back all that worker has, and returns how many that were.
func (f *Frontier) ReturnAll(worker int) int {
	n := 0
	for url, p := range f.urls {
		if p.state == Out && p.worker == worker {
			if err := f.Return(url, true); err != nil {
				panic("bug: " + err.Error())
			}
			n++
		}
	}
	return n
}

// takeBack ends the hand-out of url. The caller sets the page's new state.
func (f *Frontier) takeBack(url string) (*page, error) {
	p := f.urls[url]
	if p == nil || p.state != Out {
		return nil, fmt.Errorf("a result for %s, which is %v", url, f.State(url))
	}
	f.moveOut(f.host(url), p.worker, -1)
	return p, nil
}

// moveOut books one URL of h more or fewer at worker.
func (f *Frontier) moveOut(h *host, worker, by int) {
	f.fill -= min(f.cfg.PerHost, h.out)
	h.out += by
	f.fill += min(f.cfg.PerHost, h.out)
	f.counts.Out += by
	f.out[worker] += by
}

func (f *Frontier) leaveLine(h *host) {
	for i, other := range f.line {
		if other == h {
			f.line = append(f.line[:i], f.line[i+1:]...)
			return
		}
	}
	panic("bug: a host with waiting URLs is not in line")
}

func (f *Frontier) host(url string) *host { return f.named(f.cfg.Host(url)) }

func (f *Frontier) named(name string) *host {
	h := f.hosts[name]
	if h == nil {
		h = &host{name: name}
		f.hosts[name] = h
	}
	return h
}

// State returns where url stands.
func (f *Frontier) State(url string) State {
	if p := f.urls[url]; p != nil {
		return p.state
	}
	return Unknown
}

// Pending reports whether url waits or is out.
func (f *Frontier) Pending(url string) bool {
	s := f.State(url)
	return s == Waiting || s == Out
}

// OutAt returns how many URLs worker has.
func (f *Frontier) OutAt(worker int) int { return f.out[worker] }

// Finished reports whether no more is to be done: nothing is out, and the pages
// wanted are fetched or no URL is left.
func (f *Frontier) Finished() bool {
	return f.counts.Out == 0 && (f.counts.Fetched >= f.cfg.Pages || f.counts.Waiting == 0)
}

// Lost returns how many URLs were handed out and then came to nothing: neither
// fetched nor failed, nor left with their host.
func (f *Frontier) Lost() (n int) {
	for _, p := range f.urls {
		if p.given && (p.state == Waiting || p.state == Out) {
			n++
		}
	}
	return n
}

// CouldFill reports whether what is out could fill all slots: there is enough of
// it, and on hosts enough.
func (f *Frontier) CouldFill() bool { return f.fill >= f.cfg.Slots }

// Counts returns the sums.
func (f *Frontier) Counts() Counts { return f.counts }
