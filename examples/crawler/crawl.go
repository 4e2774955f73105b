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
		Pace: pace(c.rate), MaxWait: c.maxWait,
		UserAgent: c.agent(), Whole: c.world.local != nil,
	}
	if c.settings.server != "" {
		s.Linger = drainTime
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
		w.Send(pipe.Command{URL: e.url, Host: e.host(), Robots: true})
		return true
	}
	address, host, ok := c.frontier.Take(w.Number)
	if !ok {
		return false
	}
	command := pipe.Command{URL: address, Host: host, Pace: pace(c.hostRate)}
	if o, _ := c.sites.find(address); o.pace > 0 {
		// One at a time, as Slow has it: so much after the answer before it.
		command.Pace, command.Wait = max(command.Pace, o.pace), o.pace
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

// stop tells the workers to begin nothing more, to finish what is under way within
// a time, and to end.
func (c *crawl) stop(within time.Duration) {
	if c.stopping {
		return
	}
	c.stopping = true
	for _, w := range c.workers {
		w.Drain(within)
	}
}

func (c *crawl) handle(e fleet.Event) {
	w := c.find(e.Worker)
	c.last = time.Now()
	if e.Gone {
		c.bury(w, e.Err)
		return
	}
	if p := e.Result.Pause; p != nil {
		c.heed(w, *p)
		return
	}
	if err := c.book(w, e.Result); err != nil {
		c.fail(fmt.Errorf("worker %d: %w", w.Number, err))
	}
	if third := max(c.pages/3, 1); c.kill && c.killed == nil && c.frontier.Counts().Fetched >= third {
		c.killOne()
	}
}

// heed enters that a host asked to come back later, and tells the other workers.
func (c *crawl) heed(w *worker, p pipe.Pause) {
	if p.Over != "" {
		c.giveUp(p.Host, p.Over)
		return
	}
	c.tell(w, p)
}

// book enters what became of a URL.
func (c *crawl) book(w *worker, r pipe.Result) error {
	if e := c.sites.takeErrand(w.Number, r.URL); e != nil {
		c.bookErrand(e, r)
		return nil
	}
	if r.Again {
		c.unfinished(r)
		return c.frontier.Return(r.URL, r.Asked)
	}
	c.futile = 0
	var err error
	if r.Err != "" {
		err = c.bookFailure(w, r)
	} else {
		err = c.bookAnswer(w, r)
	}
	c.advance(r)
	c.quitTooSlow(r)
	return err
}

// unfinished counts a URL that came back. If all do, the crawl must end.
func (c *crawl) unfinished(r pipe.Result) {
	c.futile++
	if c.futile >= hopeless {
		c.fail(fmt.Errorf("%d URLs in a row could not be fetched for want of a slot, the last because: %s", c.futile, r.Err))
	}
}

func (c *crawl) bookFailure(w *worker, r pipe.Result) error {
	w.sum.failed++
	if c.frontier.Counts().Failed < 10 {
		c.display.Printf("no page: %s", r.Err)
	}
	host := c.world.host(r.URL)
	c.sites.failing[host]++
	if n := c.sites.failing[host]; n >= maxFailing {
		c.giveUp(host, fmt.Sprintf("%d pages in a row could not be had, the last because: %s", n, r.Err))
	}
	return c.frontier.Failed(r.URL)
}

func (c *crawl) bookAnswer(w *worker, r pipe.Result) error {
	c.ended = time.Now()
	c.sites.failing[c.world.host(r.URL)] = 0
	w.sum.add(r)
	if r.HTML {
		c.sites.read[r.URL] = true
	}
	if err := c.frontier.Fetched(r.URL); err != nil {
		return err
	}
	c.follow(r)
	return nil
}

// quitTooSlow gives a host up after its start page if it wants more time between
// two requests than the crawl has patience.
func (c *crawl) quitTooSlow(r pipe.Result) {
	if o, _ := c.sites.find(r.URL); o.pace > c.maxWait {
		c.giveUp(o.host, fmt.Sprintf("it asks for %v between two requests, longer than -max-wait %v allows", o.pace, c.maxWait))
	}
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
	c.sites.returnErrands(w.Number)
	w.left = c.frontier.ReturnAll(w.Number)
	if why == nil || c.failure != nil || !c.interrupted.IsZero() {
		return
	}
	w.bar.Note("dead")
	c.display.Printf("worker %d is dead (%v); it had %d URLs, which are for the others now", w.Number, why, w.left)
}

// interrupt acts on Ctrl-C: the workers have a moment to finish what they have.
func (c *crawl) interrupt() {
	if !c.interrupted.IsZero() {
		return
	}
	c.interrupted = time.Now()
	c.display.Printf("interrupted: waiting a moment for the pages that are being fetched")
	if c.stopping { // and may take longer than that
		for _, w := range c.workers {
			w.Close()
		}
		return
	}
	c.stop(interruptTime)
}

// watchTime ends the crawl when -for has passed, and what is left of an
// interrupted one when that has had its moment.
func (c *crawl) watchTime() {
	if c.limit > 0 && !c.stopping && time.Since(c.began) >= c.limit {
		c.timeUp = true
		c.stop(drainTime)
	}
	if c.interrupted.IsZero() || time.Since(c.interrupted) < killTime {
		return
	}
	for _, w := range c.workers {
		if !w.gone {
			_ = w.Kill() // an error means that it has just ended
		}
	}
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
