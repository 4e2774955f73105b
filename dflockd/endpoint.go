package dflockd

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
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
)

// An endpoint is one server (or one cluster) as its clients here see it: the
// connections, the claims on them, and the gate that paces dials.
type endpoint struct {
	cfg     *config
	servers []string        // one, or the members of a cluster
	list    wire.ServerList // where the server is among those that share the keys; none for a cluster
	known   *addressBook    // of the endpoints beside this one, or nil
	tasks   sync.WaitGroup  // goroutines and armed timers
	gone    chan struct{}   // closed when Close is done
	born    time.Time
	single  bool // of a Semaphore or Lock: a connection lives as long as its claim

	// mu guards everything below and what is marked so in conn and claim. It
	// is never held across I/O, nor while code of the user runs: such things
	// are noted with later and done by unlock.
	mu       sync.Mutex
	after    []func()
	news     news
	posted   *conn // those that are written to once mu is free
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
	ctx      context.Context // bounds dials; ends when the endpoint closes
	stop     context.CancelFunc
	dialing  int
	redial   *time.Timer   // asks the gate again
	redialAt time.Time     // zero if redial is not armed
	changed  chan struct{} // of a single endpoint: closed and replaced at each change
	lastErr  error         // of the last dial that failed: what claims are told
	accepted bool          // the server has let this client in once
	tags     bool          // the server was last seen to take tagged requests
	noPace   bool          // the server was last seen to have no clocks
	leader   int           // which of servers is dialled
	closing  bool
	loggedAt time.Time
	unlogged int
}

func newEndpoint(cfg *config, servers ...string) *endpoint {
	e := &endpoint{
		cfg: cfg, servers: servers, list: cfg.place(servers),
		born: time.Now(), conns: map[*conn]struct{}{}, missed: map[string]struct{}{}, gone: make(chan struct{}),
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

func (e *endpoint) lock() { e.mu.Lock() }

// unlock releases mu and then does what was put off until now.
func (e *endpoint) unlock() {
	after, told := e.after, e.news
	e.after, e.news = nil, news{}
	c := e.popPosted()
	more := e.posted != nil
	e.mu.Unlock()
	if c != nil {
		c.flushNow()
	}
	if more {
		defer func() { // also where a claimant ends the goroutine
			e.lock()
			e.unlock()
		}()
	}
	for _, f := range after {
		f()
	}
	told.spread(e.cfg)
}

// later has f run once mu is free. Caller holds mu.
func (e *endpoint) later(f func()) { e.after = append(e.after, f) }

func (e *endpoint) closeLater(c net.Conn) { e.later(func() { _ = c.Close() }) }

// address names the endpoint in errors. Caller holds mu.
func (e *endpoint) address() string { return e.servers[e.leader] }

// claim starts a claim. Its claimant then awaits it, or is told.
func (e *endpoint) claim(cl *claim) {
	e.lock()
	defer e.unlock()
	e.begin(cl, time.Now())
}

// begin is claim. Caller holds mu.
func (e *endpoint) begin(cl *claim, now time.Time) {
	cl.e = e
	if cl.kind != kindJoined && !cl.kind.single() {
		cl.changed = e.signalChan()
	}
	if !cl.pace.IsNone() && e.noPace {
		cl.finish(errNoPace)
		return
	}
	if _, ok := e.missed[cl.name]; (ok || cl.kind == kindJoined) && !cl.kind.tryOnly() && !e.tags {
		cl.route = routeLine
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
	if cl.changed == nil {
		return
	}
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
		changed := e.changes(cl)
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

// broke takes note that an established connection broke. Caller holds mu.
func (e *endpoint) broke(c *conn, err error, now time.Time) {
	if now.Sub(c.born) >= flapTime {
		e.gate.broke(now, rand.Float64())
	} else {
		// As good as a dial that failed: else a server that greets everybody
		// and then hangs up would be dialled again and again.
		e.lastErr = errs.Unavailable(err)
		e.gate.failed(now, rand.Float64())
	}
	e.warn("connection lost", &Error{Engine: engine, Op: "connection", Server: e.address(), Err: err}, now)
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
	e.callLater("the logger", func() { e.cfg.log.Warn("dflockd: "+msg, "error", err, "suppressed", suppressed) })
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
