package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/fleet"
	"github.com/berth-go/berth/examples/crawler/internal/frontier"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/examples/crawler/internal/site"
	"github.com/berth-go/berth/examples/internal/progress"
)

const (
	drawEvery = 100 * time.Millisecond

	// A crawl that gets nothing done for so long says so.
	stallAfter = 10 * time.Second

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
	display    *progress.Display
	events     chan fleet.Event
	interrupts <-chan os.Signal

	workers []*worker
	began   time.Time
	ended   time.Time // when the last page was fetched
	last    time.Time // when something was last heard of a worker

	stopping    bool // nothing is handed out any more
	interrupted bool
	killed      *worker
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
		settings: s, world: w, frontier: w.frontier(s), display: d, interrupts: interrupts,
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
	for c.alive() > 0 {
		c.handOut()
		select {
		case e := <-c.events:
			c.handle(e)
		case <-ticker.C:
			c.draw()
			c.complain()
		case <-c.interrupts:
			c.interrupt()
		}
	}
	if c.world.local != nil {
		c.seen = c.world.local.Seen()
	}
	c.draw()
	if c.failure == nil && !c.interrupted && !c.frontier.Finished() {
		c.failure = errors.New("no worker process is left to go on")
	}
	return c.failure
}

// window is how many URLs a worker process has at a time: one for each of its
// workers, and as many that are ready for whichever becomes free.
func (c *crawl) window() int { return 2 * c.settings.workers }

func (c *crawl) startWorkers() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the workers: %w", err)
	}
	for n := 1; n <= c.procs; n++ {
		cmd := exec.Command(self, workerArgument)
		cmd.Stderr = &relay{c.display, fmt.Sprint("worker ", n)}
		w, err := fleet.Start(cmd, pipe.Setup{
			Worker: n, Workers: c.settings.workers, Window: c.window(),
			Server: c.world.server, Lease: lease, Slots: c.slots, PerHost: c.perHost,
			Pace: pace(c.rate), HostPace: c.world.hostPace(c.hostRate),
			UserAgent: userAgent,
		}, c.events)
		if err != nil {
			return err
		}
		bar := c.display.Bar(fmt.Sprint("worker ", n), "pages", c.pages/c.procs)
		c.workers = append(c.workers, &worker{Worker: w, bar: bar})
	}
	return nil
}

// abandon ends workers at once and waits until they are gone.
func (c *crawl) abandon() {
	for _, w := range c.workers {
		w.Close()
	}
	for c.alive() > 0 {
		if e := <-c.events; e.Gone {
			c.find(e.Worker).gone = true
		}
	}
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

// handOut gives the workers as many URLs as they may have, each the one that
// has the fewest, or tells all to finish if there is no more to do.
func (c *crawl) handOut() {
	if c.stopping {
		return
	}
	if c.frontier.Finished() {
		c.stop()
		return
	}
	for {
		w := c.leastBusy()
		if w == nil {
			return
		}
		url, host, ok := c.frontier.Take(w.Number)
		if !ok {
			return
		}
		w.Send(url, host)
	}
}

// leastBusy returns the worker with the fewest URLs, or nil if all have enough.
func (c *crawl) leastBusy() (best *worker) {
	fewest := c.window()
	for _, w := range c.workers {
		if n := c.frontier.OutAt(w.Number); !w.gone && n < fewest {
			best, fewest = w, n
		}
	}
	return best
}

// stop tells the workers to finish what they have and end.
func (c *crawl) stop() {
	c.stopping = true
	for _, w := range c.workers {
		w.Drain()
	}
}

func (c *crawl) handle(e fleet.Event) {
	w := c.find(e.Worker)
	c.last = time.Now()
	if e.Gone {
		c.bury(w, e.Err)
		return
	}
	if err := c.book(w, e.Result); err != nil {
		c.fail(fmt.Errorf("worker %d: %w", w.Number, err))
	}
	if third := max(c.pages/3, 1); c.kill && c.killed == nil && c.frontier.Counts().Fetched >= third {
		c.killOne()
	}
}

// book enters what became of a URL.
func (c *crawl) book(w *worker, r pipe.Result) error {
	switch {
	case r.Again:
		c.futile++
		if c.futile >= hopeless {
			c.fail(fmt.Errorf("%d URLs in a row could not be fetched for want of a slot, the last because: %s", c.futile, r.Err))
		}
		return c.frontier.Return(r.URL)
	case r.Err != "":
		c.futile = 0
		w.sum.failed++
		if c.frontier.Counts().Failed < 10 {
			c.display.Printf("no answer: %s", r.Err)
		}
		return c.frontier.Failed(r.URL)
	}
	c.futile = 0
	c.ended = time.Now()
	w.sum.add(r)
	if err := c.frontier.Fetched(r.URL); err != nil {
		return err
	}
	for _, link := range r.Links {
		if c.world.wanted(link) {
			c.frontier.Add(link)
		}
	}
	return nil
}

// fail ends the crawl for a reason.
func (c *crawl) fail(err error) {
	if c.failure == nil {
		c.failure = err
	}
	c.stopping = true
	for _, w := range c.workers {
		w.Close()
	}
}

// killOne kills a worker as nobody would who was asked. Its death is noticed
// like any other.
func (c *crawl) killOne() {
	w := c.workers[1]
	if w.gone {
		return
	}
	c.killed = w
	if err := w.Kill(); err != nil {
		c.fail(fmt.Errorf("kill worker %d: %w", w.Number, err))
		return
	}
	c.display.Printf("worker %d (process %d) was sent SIGKILL after %s pages", w.Number, w.PID(), group(c.frontier.Counts().Fetched))
}

// bury books the end of a worker process.
func (c *crawl) bury(w *worker, why error) {
	w.gone = true
	w.Close()
	w.left = c.frontier.ReturnAll(w.Number)
	if why == nil || c.failure != nil {
		return
	}
	w.bar.Note("dead")
	c.display.Printf("worker %d is dead (%v); it had %d URLs, which are for the others now", w.Number, why, w.left)
}

// interrupt acts on Ctrl-C: the first lets the workers finish what they have,
// the second ends the program. The workers see their pipes close then, give
// their slots back and end, too.
func (c *crawl) interrupt() {
	if c.interrupted {
		c.display.Close()
		os.Exit(exitInterrupted)
	}
	c.interrupted = true
	c.display.Printf("interrupted: waiting for the pages that are being fetched; Ctrl-C again ends at once")
	c.stop()
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
