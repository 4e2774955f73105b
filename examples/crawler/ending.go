package main

import (
	"fmt"
	"time"
)

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
