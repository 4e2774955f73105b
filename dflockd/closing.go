package dflockd

import (
	"context"
	"slices"
	"time"
)

// This file has how an endpoint closes.

// close ends the endpoint. The slots that are held are released first, which takes
// a round trip. It returns when that is done or ctx ends; whatever is left then
// is cut.
func (e *endpoint) close(ctx context.Context) error {
	e.lock()
	first := !e.closing
	if first {
		e.closing = true
		e.shut(time.Now())
		go e.finishClose()
	}
	e.unlock()
	select {
	case <-e.gone:
		return nil
	case <-ctx.Done():
	}
	e.lock()
	e.cut(time.Now())
	e.unlock()
	select {
	case <-e.gone:
	case <-time.After(cutTimeout): // a dialler that does not heed its context
	}
	return context.Cause(ctx)
}

// finishClose waits for everything that runs and says that it is done.
func (e *endpoint) finishClose() {
	e.tasks.Wait()
	close(e.gone)
}

// shut gives everything back and closes what has no answer to wait for. Caller
// holds mu.
func (e *endpoint) shut(now time.Time) {
	e.stop()
	e.stopRedial()
	e.refuseAll(ErrClosed)
	for c := range e.conns {
		c.shut(now)
	}
	for _, c := range e.orphans {
		c.expireAll(now)
	}
	e.orphans = nil
}

// cut closes every connection, whatever is under way. Caller holds mu.
func (e *endpoint) cut(now time.Time) {
	for c := range e.conns {
		c.end(now)
	}
}

// shut gives back what the connection holds and ends it once all is answered.
// Caller holds mu.
func (c *conn) shut(now time.Time) {
	if c.alone {
		c.end(now)
		return
	}
	for len(c.held) > 0 {
		cl := c.held[len(c.held)-1]
		cl.release(cl.wrap("hold", loss(ErrClosed)), now)
	}
	for _, x := range slices.Concat(c.pending, c.tagged) {
		x.claim.abandon(ErrClosed, now)
	}
	if c.unanswered() == 0 {
		c.end(now)
	}
}
