package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/fleet"
	"github.com/berth-go/berth/examples/crawler/internal/frontier"
	"github.com/berth-go/berth/examples/crawler/internal/page"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/crawler/internal/site"
	"github.com/berth-go/berth/examples/internal/board"
	"github.com/berth-go/berth/examples/internal/progress"
)

const (
	drawEvery = 100 * time.Millisecond

	// A crawl that gets nothing done for so long says so.
	stallAfter = 10 * time.Second

	// drainTime is how long the workers may take to finish the requests that are
	// under way when no more are to be made, and interruptTime the same after Ctrl-C. A worker
	// that is still there after killTime is killed.
	drainTime     = page.MaxTime
	interruptTime = 400 * time.Millisecond
	killTime      = 750 * time.Millisecond

	// maxFailing is after how many URLs in a row that had no answer a host is
	// given up.
	maxFailing = 8

	// hopeless is after how many URLs in a row that came back unfinished, with
	// none finished between them, the crawl gives up.
	hopeless = 200
)

// A crawl is the parent's side: one goroutine that owns all of it, receives
// what the workers do and decides what is next.
type crawl struct {
	settings
	world      *world
	frontier   *frontier.Frontier
	sites      *sites
	display    *progress.Display
	events     chan fleet.Event
	interrupts <-chan os.Signal

	workers []*worker
	began   time.Time
	ended   time.Time // when the last page was fetched
	last    time.Time // when something was last heard of a worker

	stopping    bool      // nothing is handed out any more
	interrupted time.Time // when it was; zero: it was not
	timeUp      bool      // -for has passed
	killed      *worker
	pauses      pauses
	futile      int   // URLs in a row that came back unfinished
	failure     error // why the crawl cannot go on
	seen        site.Seen
}

// A worker is a worker process and what it has done.
type worker struct {
	*fleet.Worker
	bar  *progress.Bar
	gone bool
	sum  tally
	// left is how many URLs it had when it died, of its own or by our hand.
	left int
}

func newCrawl(s settings, w *world, d *progress.Display, interrupts <-chan os.Signal) *crawl {
	return &crawl{
		settings: s, world: w, frontier: w.frontier(s), sites: newSites(w), display: d, interrupts: interrupts,
		events: make(chan fleet.Event, 64),
	}
}

// run crawls until all is done, somebody interrupts, or nothing can be done any
// more. When it returns no worker process is left.
func (c *crawl) run() error {
	if err := c.startWorkers(); err != nil {
		c.abandon()
		return err
	}
	ticker := time.NewTicker(drawEvery)
	defer ticker.Stop()
	c.began = time.Now()
	c.ended, c.last = c.began, c.began
	c.begin()
	for c.alive() > 0 {
		c.handOut()
		if c.world.local != nil {
			c.world.local.Want(c.frontier.CouldFill())
		}
		select {
		case e := <-c.events:
			c.handle(e)
		case <-ticker.C:
			c.draw()
			c.complain()
			c.watchTime()
		case <-c.interrupts:
			c.interrupt()
		}
	}
	if c.world.local != nil {
		c.seen = c.world.local.Seen()
	}
	c.draw()
	c.finishStarts()
	c.pauses.ended(time.Now())
	if c.failure == nil && c.interrupted.IsZero() && !c.timeUp && !c.finished() {
		c.failure = errors.New("no worker process is left to go on")
	}
	return c.failure
}

// window is how many URLs a worker process has at a time: one for each of its
// workers, and as many that are ready for whichever becomes free.
func (c *crawl) window() int { return 2 * c.settings.workers }

func (c *crawl) startWorkers() error {
	for n := 1; n <= c.procs; n++ {
		w, err := c.world.launch(c.setup(n), &relay{c.display, fmt.Sprint("worker ", n)}, c.events)
		if err != nil {
			return err
		}
		bar := c.display.Bar(fmt.Sprint("worker ", n), "pages", c.pages/c.procs)
		c.workers = append(c.workers, &worker{Worker: w, bar: bar})
	}
	return nil
}

// setup is what worker n is told first.
func (c *crawl) setup(n int) pipe.Setup {
	s := pipe.Setup{
		Worker: n, Workers: c.settings.workers, Window: c.window(),
		Server: c.world.server, Lease: lease, Slots: c.slots, PerHost: c.perHost,
		Pace: pace(c.rate), HostPaces: c.hostRate > 0 || c.world.local == nil, MaxWait: c.maxWait,
		UserAgent: c.agent(), Local: c.world.local != nil,
	}
	if c.settings.server != "" {
		s.Linger = drainTime
	}
	if c.http != "" {
		s.HTTP = board.Nth(c.http, n)
	}
	return s
}

// launch starts this program as a worker process, whose last words go to stderr.
func launch(setup pipe.Setup, stderr io.Writer, events chan<- fleet.Event) (*fleet.Worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the workers: %w", err)
	}
	cmd := exec.Command(self, workerArgument)
	cmd.Stderr = stderr
	return fleet.Start(cmd, setup, events)
}

func (c *crawl) alive() (n int) {
	for _, w := range c.workers {
		if !w.gone {
			n++
		}
	}
	return n
}

func (c *crawl) find(w *fleet.Worker) *worker { return c.workers[w.Number-1] }

// finished reports whether no more is to be done.
func (c *crawl) finished() bool {
	return c.frontier.Finished() && len(c.sites.errands)+len(c.sites.away) == 0
}

// handOut gives the workers as many URLs as they may have, each the one that
// has the fewest, or tells all to finish if there is no more to do.
func (c *crawl) handOut() {
	if c.stopping {
		return
	}
	if c.finished() {
		c.stop(drainTime)
		return
	}
	for {
		w := c.leastBusy()
		if w == nil || !c.handOutTo(w) {
			return
		}
	}
}

// handOutTo gives a worker a URL, if there is one.
func (c *crawl) handOutTo(w *worker) bool {
	if n := len(c.sites.errands); n > 0 {
		e := c.sites.errands[0]
		c.sites.errands = c.sites.errands[1:]
		e.worker = w.Number
		c.sites.away = append(c.sites.away, e)
		w.Send(pipe.Command{URL: e.url, Host: e.host(), Robots: true, Pace: pace(c.hostRate)})
		return true
	}
	address, host, ok := c.frontier.Take(w.Number)
	if !ok {
		return false
	}
	command := pipe.Command{URL: address, Host: host, Pace: pace(c.hostRate)}
	if o, _ := c.sites.find(address); o.pace > 0 {
		command.Pace = max(command.Pace, o.pace)
		if o.pace <= c.maxWait { // else this is the only page: see quitTooSlow
			command.Wait = o.pace // after the answer before it, since it is one at a time
		}
	}
	w.Send(command)
	return true
}

// leastBusy returns the worker with the fewest URLs, or nil if all have enough.
func (c *crawl) leastBusy() (best *worker) {
	fewest := c.window()
	for _, w := range c.workers {
		if n := c.frontier.OutAt(w.Number) + c.sites.errandsAt(w.Number); !w.gone && n < fewest {
			best, fewest = w, n
		}
	}
	return best
}

// draw shows how far the workers are.
func (c *crawl) draw() {
	for _, w := range c.workers {
		w.bar.Set(w.sum.pages)
	}
	c.display.Line(func() string {
		line := fmt.Sprintf("%5.1f s %6s pages:", time.Since(c.began).Seconds(), group(c.frontier.Counts().Fetched))
		for _, w := range c.workers {
			line += fmt.Sprintf("  worker %d %s", w.Number, group(w.sum.pages))
		}
		if c.world.local != nil {
			line += fmt.Sprintf("   (at the site now: %d of %d)", c.world.local.InUse(), c.slots)
		}
		return line
	})
}

// complain says that nothing happens, if nothing happens.
func (c *crawl) complain() {
	if time.Since(c.last) < stallAfter {
		return
	}
	c.last = time.Now()
	out := c.frontier.Counts().Out
	if c.world.server == "" {
		c.display.Printf("nothing was fetched for %v; %d URLs are being fetched", stallAfter, out)
		return
	}
	c.display.Printf("nothing was fetched for %v; %d URLs are being fetched or wait for a slot from %s", stallAfter, out, c.world.server)
}

// A relay prints what a worker process writes to its standard error.
type relay struct {
	display *progress.Display
	name    string
}

func (r *relay) Write(b []byte) (int, error) {
	r.display.Printf("%s: %s", r.name, trimLine(b))
	return len(b), nil
}
