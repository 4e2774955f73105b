package main

import (
	"fmt"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/fleet"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
)

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
	c.pauses.note(p, time.Now())
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
	if err != nil {
		return err
	}
	c.advance(r)
	c.quitTooSlow(r)
	return nil
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

// follow adds where a page leads to.
func (c *crawl) follow(r pipe.Result) {
	for _, address := range r.Links {
		if _, ok := c.sites.wanted(address); ok {
			c.frontier.Add(address)
		}
	}
	if r.Target == "" || c.sites.redirects[r.URL] >= maxRedirects {
		return
	}
	if _, ok := c.sites.wanted(r.Target); ok && c.frontier.Add(r.Target) {
		c.sites.redirects[r.Target] = c.sites.redirects[r.URL] + 1
	}
}

// quitTooSlow gives a host up after its start page if it wants more time between
// two requests than the crawl has patience.
func (c *crawl) quitTooSlow(r pipe.Result) {
	if o, _ := c.sites.find(r.URL); o.pace > c.maxWait {
		c.giveUp(o.host, fmt.Sprintf("it asks for %v between two requests, longer than -max-wait %v allows", o.pace, c.maxWait))
	}
}

// giveUp asks nothing more of a host.
func (c *crawl) giveUp(host, why string) {
	if !c.frontier.GiveUp(host) {
		return
	}
	for _, o := range c.sites.origins {
		if o.host == host {
			o.over = why
			c.sites.given = append(c.sites.given, o)
		}
	}
	c.display.Printf("%s is given up: %s", host, why)
	c.tell(nil, pipe.Pause{Host: host, Over: why})
}

// tell passes a pause on to all workers but the one that it came from.
func (c *crawl) tell(from *worker, p pipe.Pause) {
	for _, w := range c.workers {
		if w != from {
			w.Pause(p)
		}
	}
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
