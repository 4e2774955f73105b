package dflockd

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/berth-go/berth/slot"
)

const (
	// maxDialing is how many dials to one server run at once.
	maxDialing = 64
	// maxMissed is how many keys are remembered as contended. It is a hint:
	// forgetting one costs a round trip.
	maxMissed = 4096
	// flapTime is how long a connection lives at least that does not count as
	// a failed dial.
	flapTime = time.Second
	// cutTimeout is how long close waits for goroutines whose sockets are closed.
	cutTimeout = 50 * time.Millisecond
)

// An endpoint is one server (or one cluster) as its clients here see it: the
// connections, the claims on them, and the gate that paces dials.
type endpoint struct {
	cfg     *config
	servers []string        // one, or the members of a cluster
	ctx     context.Context // ends when the endpoint closes; bounds dials
	stop    context.CancelFunc
	tasks   sync.WaitGroup // goroutines and armed timers
	gone    chan struct{}  // closed when Close is done

	// mu guards everything below and what is marked so in conn and claim. It
	// is never held across I/O, nor while code of the user runs: such things
	// are noted with later and done by unlock.
	mu       sync.Mutex
	after    []func()
	conns    map[*conn]struct{}
	open     []*conn  // with a claim and room for another
	idle     []*conn  // without a claim, the last used at the end
	shared   []*claim // wait for a connection with room
	own      []*claim // wait for a connection of their own
	rescuing int      // orphans for which a dial is under way
	orphans  []*conn  // broken ones whose slots wait for another connection
	missed   map[string]struct{}
	signals  []chan struct{} // to be used again
	gate     gate
	dialing  int
	redial   *time.Timer // asks the gate again
	redialAt time.Time   // zero if redial is not armed
	lastErr  error       // of the last dial that failed
	fatal    error       // nothing is dialled any more
	tags     bool        // the server was last seen to take tagged requests
	leader   int         // which of servers is dialled
	closing  bool
	loggedAt time.Time
	unlogged int
}

func newEndpoint(cfg *config, servers ...string) *endpoint {
	e := &endpoint{
		cfg: cfg, servers: servers,
		conns: map[*conn]struct{}{}, missed: map[string]struct{}{}, gone: make(chan struct{}),
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

func (e *endpoint) lock() { e.mu.Lock() }

// unlock releases mu and then does what was put off until now.
func (e *endpoint) unlock() {
	after := e.after
	e.after = nil
	e.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// later has f run once mu is free. Caller holds mu.
func (e *endpoint) later(f func()) { e.after = append(e.after, f) }

func (e *endpoint) closeLater(c net.Conn) { e.later(func() { _ = c.Close() }) }

// address names the endpoint in errors. Caller holds mu.
func (e *endpoint) address() string { return e.servers[e.leader] }

// claim starts a claim. Its claimant then awaits it.
func (e *endpoint) claim(cl *claim) {
	now := time.Now()
	e.lock()
	defer e.unlock()
	cl.e = e
	cl.alone = cl.alone || e.cfg.cluster
	cl.changed = e.signalChan()
	if _, ok := e.missed[cl.name]; ok && !cl.tryOnly && !e.tags {
		cl.missed = true
	}
	e.want(cl, now)
}

// signalChan returns a channel for claim.changed. Caller holds mu.
func (e *endpoint) signalChan() chan struct{} {
	if n := len(e.signals); n > 0 {
		ch := e.signals[n-1]
		e.signals = e.signals[:n-1]
		return ch
	}
	return make(chan struct{}, 1)
}

// recycle takes a claim's channel back once nobody reads it any more. Caller
// holds mu.
func (e *endpoint) recycle(cl *claim) {
	select {
	case <-cl.changed:
	default:
	}
	e.signals = append(e.signals, cl.changed)
	cl.changed = nil // signal does nothing from now on
}

// await blocks until done, which is called with mu held, returns true, or ctx
// ends; then it returns the cause. The caller holds mu before and after.
func (e *endpoint) await(ctx context.Context, cl *claim, done func(*claim) bool) error {
	for !done(cl) {
		changed := cl.changed
		e.unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		e.lock()
		// The claim may have been granted at the moment at which ctx ended.
		// Then the caller's abandon gives the slot back.
		if err != nil {
			return err
		}
	}
	return nil
}

// want finds a connection for a claim, now or later. Caller holds mu.
func (e *endpoint) want(cl *claim, now time.Time) {
	switch {
	case e.closing:
		cl.finish(ErrClosed)
		return
	case e.fatal != nil:
		cl.finish(e.fatal)
		return
	case cl.exclusive():
		e.own = append(e.own, cl)
	default:
		e.shared = append(e.shared, cl)
	}
	e.assignAt(now)
	e.dialMore(now)
}

// unwant takes a claim out of the queues. Caller holds mu.
func (e *endpoint) unwant(cl *claim) {
	e.own = without(e.own, cl)
	e.shared = without(e.shared, cl)
}

func without(claims []*claim, cl *claim) []*claim {
	for i, other := range claims {
		if other == cl {
			return append(claims[:i], claims[i+1:]...)
		}
	}
	return claims
}

// assign gives the connections that have room to the claims that wait for one,
// in order. Caller holds mu.
func (e *endpoint) assign() {
	if len(e.own) > 0 || len(e.shared) > 0 {
		e.assignAt(time.Now())
	}
}

func (e *endpoint) assignAt(now time.Time) {
	for len(e.shared) > 0 {
		c := e.pick(now, true)
		if c == nil {
			break
		}
		cl := e.shared[0]
		e.shared = pop(e.shared)
		cl.begin(c, now)
	}
	for len(e.own) > 0 {
		c := e.pick(now, false)
		if c == nil {
			break
		}
		cl := e.own[0]
		e.own = pop(e.own)
		cl.begin(c, now)
	}
}

// pop removes the first element; the slice keeps its memory when it empties.
func pop(claims []*claim) []*claim {
	claims[0] = nil
	if len(claims) == 1 {
		return claims[:0]
	}
	return claims[1:]
}

// pick returns a connection with room: one that others share, if that may be,
// or one without a claim. Caller holds mu.
func (e *endpoint) pick(now time.Time, shared bool) *conn {
	if n := len(e.open); shared && n > 0 {
		return e.open[n-1]
	}
	for n := len(e.idle); n > 0; n = len(e.idle) {
		c := e.idle[n-1]
		if !c.stale(now) && c.member == e.leader {
			return c
		}
		c.end(now)
	}
	return nil
}

// relist moves c to the list that fits its load. Caller holds mu.
func (e *endpoint) relist(c *conn) {
	var list *[]*conn
	switch {
	case c.broken != nil || c.alone:
	case c.load == 0:
		list = &e.idle
	case c.load < maxLoad:
		list = &e.open
	}
	if list == c.list {
		return
	}
	if c.list != nil {
		old := *c.list
		last := old[len(old)-1]
		old[c.place], last.place = last, c.place
		old[len(old)-1] = nil
		*c.list = old[:len(old)-1]
	}
	if c.list = list; list != nil {
		c.place = len(*list)
		*list = append(*list, c)
	}
}

// forget takes a broken connection out of the lists. Caller holds mu.
func (e *endpoint) forget(c *conn) {
	e.relist(c)
	delete(e.conns, c)
}

// broke takes note that an established connection broke. Caller holds mu.
func (e *endpoint) broke(c *conn, err error, now time.Time) {
	if now.Sub(c.born) >= flapTime {
		e.gate.broke(now, rand.Float64())
	} else {
		// As good as a dial that failed: else a server that greets everybody
		// and then hangs up would be dialled again and again.
		e.lastErr = err
		e.gate.failed(now, rand.Float64())
	}
	e.warn("connection lost", &Error{Op: "connection", Server: e.address(), Err: err}, now)
}

// warn logs a fault, at most one a second. Caller holds mu.
func (e *endpoint) warn(msg string, err error, now time.Time) {
	if e.closing {
		return
	}
	if now.Sub(e.loggedAt) < time.Second {
		e.unlogged++
		return
	}
	suppressed := e.unlogged
	e.loggedAt, e.unlogged = now, 0
	e.later(func() { e.cfg.log.Warn("dflockd: "+msg, "error", err, "suppressed", suppressed) })
}

// noteMiss remembers that a key is contended, so that its next claim joins the
// line without trying first. Caller holds mu.
func (e *endpoint) noteMiss(name string) {
	if len(e.missed) >= maxMissed {
		clear(e.missed)
	}
	e.missed[name] = struct{}{}
}

// noteFree forgets that. Caller holds mu.
func (e *endpoint) noteFree(name string) {
	if len(e.missed) > 0 {
		delete(e.missed, name)
	}
}

// close ends the endpoint. With giveBack, the slots that are held are released
// first, which takes a round trip; without, the sockets just close. It returns
// when that is done or ctx ends; whatever is left then is cut.
func (e *endpoint) close(ctx context.Context, giveBack bool) error {
	e.lock()
	first := !e.closing
	if first {
		e.closing = true
		e.shut(giveBack, time.Now())
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
func (e *endpoint) shut(giveBack bool, now time.Time) {
	e.stop()
	e.stopRedial()
	e.refuseAll(ErrClosed)
	for c := range e.conns {
		c.shut(giveBack, now)
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
func (c *conn) shut(giveBack bool, now time.Time) {
	if !giveBack || c.alone {
		c.end(now)
		return
	}
	for len(c.held) > 0 {
		cl := c.held[len(c.held)-1]
		cl.release(cl.wrap("hold", mark(slot.ErrLost, ErrClosed)), now)
	}
	for _, x := range slices.Concat(c.pending, c.tagged) {
		x.claim.abandon(ErrClosed, now)
	}
	if c.unanswered() == 0 {
		c.end(now)
	}
}
