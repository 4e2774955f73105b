package dflockd

import (
	"context"
	"slices"
	"time"

	"github.com/berth-go/berth/internal/errs"
)

// This file has how an endpoint closes.

const (
	// cutTimeout is how long close waits for goroutines whose sockets are closed.
	cutTimeout = 50 * time.Millisecond
	// stayTime is how long a connection whose place in line cannot be given up stays
	// after its source was closed, to give back what is granted. What comes later
	// lies idle for a lease, which the server grants for 33 s if nobody asks.
	stayTime = time.Minute
)

// close ends the endpoint. The slots that are held are released first, which takes
// a round trip. It returns when that is done or ctx ends; whatever is left then
// is cut. It does not wait for connections that stay for long.
func (e *endpoint) close(ctx context.Context) error {
	e.lock()
	first := !e.closing
	if first {
		e.closing = true
		e.shut(time.Now())
		go e.finishClose()
	}
	left := len(e.conns)
	e.unlock()
	// What stays is often granted soon, now that the slots held here are free.
	for {
		select {
		case <-e.gone:
			return nil
		case <-time.After(leaveTime):
			before := left
			var stay bool
			if left, stay = e.left(); stay && left == before {
				return nil
			}
		case <-ctx.Done():
			return e.closeNow(ctx)
		}
	}
}

// closeNow cuts what has not ended in time.
func (e *endpoint) closeNow(ctx context.Context) error {
	if _, stay := e.left(); stay {
		return nil
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

// left returns how many connections are left, and whether those that stay are all
// that is.
func (e *endpoint) left() (n int, stay bool) {
	e.lock()
	defer e.unlock()
	stay = e.dialing == 0 && len(e.conns) > 0
	for c := range e.conns {
		stay = stay && c.staying()
	}
	return len(e.conns), stay
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

// cut closes every connection whose answers are late. Caller holds mu.
func (e *endpoint) cut(now time.Time) {
	for c := range e.conns {
		if !c.staying() {
			c.end(now)
		}
	}
}

// shut gives back what the connection holds and ends it once all is answered.
// Caller holds mu.
func (c *conn) shut(now time.Time) {
	if c.alone && !c.strict {
		c.end(now) // which gives up the place in line
		return
	}
	for len(c.held) > 0 {
		cl := c.held[len(c.held)-1]
		cl.release(cl.wrap("hold", errs.Lost(ErrClosed)), now)
	}
	for _, x := range slices.Concat(c.pending, c.tagged) {
		x.claim.abandon(ErrClosed, now)
		x.claim.signal()
		c.expect(x.claim, now.Add(stayTime))
	}
	if c.unanswered() == 0 {
		c.end(now)
	}
}
