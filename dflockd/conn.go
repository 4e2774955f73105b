package dflockd

import (
	"bufio"
	"net"
	"slices"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/internal/lease"
)

// maxLoad is how many claims share a connection. What breaks one connection
// loses the slots on it, hence not more.
const maxLoad = 16

// role says what an exchange is for.
type role uint8

const (
	roleTry     role = iota // sl with timeout 0
	roleEnqueue             // se
	roleWait                // sw
	roleConfirm             // sn, for a grant that may be old
	roleRenew               // sn, the heartbeat
	roleRelease             // sr
	roleLeave               // x
	roleRejoin              // se, repeated for a slot that is held
	rolePing                // ping, or hello where there is none
	roleErrand              // what a claim of kindErrand asks
)

// An exchange is a request whose answer is waited for.
type exchange struct {
	role     role
	command  wire.Command
	tag      uint64
	write    uint64 // the number of the write that it goes out with, or a later one
	claim    *claim
	sent     time.Time // before the request was handed to the writer
	deadline time.Time // for the answer; zero for a wait
}

// A conn is a connection that is ready for requests. Two goroutines of its own
// do the I/O, but see post: one writes what send has gathered, one reads and
// hands each line to the claim that it answers.
//
// Invariant: every byte that arrives is part of the answer to one exchange,
// whose request was written before. One that is not breaks the connection, which
// is never used again.
type conn struct {
	e        *endpoint
	raw      net.Conn // what Close is called on
	rw       net.Conn // raw, or TLS over it
	features wire.Features
	strict   bool
	keeps    bool        // its slots outlive it on the server
	member   int         // which of endpoint.servers it leads to
	ref      wire.Secret // its stable reference, in a cluster
	pace     lease.Pace
	idle     time.Duration // how long it is kept without use
	reader   *bufio.Reader // of the reading goroutine, after the handshake
	wake     chan struct{} // cap 1: out has something to write
	dead     chan struct{} // closed when broken is set
	direct   *direct       // nil: raw is no socket, or TLS is over it

	// Guarded by endpoint.mu.
	broken     error
	born       time.Time
	settled    bool   // it has answered after flapTime
	out        []byte // gathered for the next write
	spare      []byte // the buffer of the last write
	writes     uint64 // how many were begun
	writing    bool   // somebody writes what was gathered
	posted     bool   // it is on the endpoint's list
	nextPosted *conn
	pending    []exchange // untagged, in the order of the answers
	tagged     []exchange // answered in any order; those of one tag in order
	lastTag    uint64
	held       []*claim // the slots that live on this connection
	owed       []*claim // of a broken one: releases that the server may not have got
	load       int      // the claims of any kind that do
	alone      bool     // one claim waits in line, and nothing else fits
	heard      time.Time
	timer      *time.Timer
	armed      time.Time // when timer fires; zero if it is not armed
	judge      time.Time // no answer is called late before; see judgeDelay
	waiting    *claim    // of a broken one in a cluster: the claim whose place is kept
	until      time.Time // of the same: how long the cluster keeps both
	parked     *claim    // in line, while nobody waits for its slot
	list       *[]*conn  // the endpoint's list that it is in, or nil
	place      int       // where in list
}

// start makes c ready for requests. Caller holds endpoint.mu.
func (c *conn) start(now time.Time) {
	c.heard, c.born = now, now
	c.wake = make(chan struct{}, 1)
	c.dead = make(chan struct{})
	if c.rw == c.raw {
		c.direct = newDirect(c.raw)
	}
	if c.e.single {
		c.idle = singleIdle
	}
	c.e.tasks.Add(2)
	go c.writeLoop()
	go c.readLoop()
	c.arm(now.Add(c.idle))
}

// send gathers a request for the writer and notes that its answer is due.
// Caller holds endpoint.mu.
func (c *conn) send(x exchange, r *wire.Request) {
	if c.e.cfg.trace != nil {
		x.claim.noteSent(c, x, r)
	}
	r.Command, r.Tag = x.command, x.tag
	x.write = c.writes + 1
	out, err := wire.AppendRequest(c.out, r)
	if err != nil {
		panic("bug: a request that was not checked: " + err.Error())
	}
	c.out = out
	if x.tag == 0 {
		c.pending = append(c.pending, x)
	} else {
		c.tagged = append(c.tagged, x)
	}
	if !x.deadline.IsZero() {
		c.arm(x.deadline)
	}
	c.post(x.claim)
}

// expect sets the time by which the wait of a claim must be answered, now that
// nothing is waited for. Caller holds endpoint.mu.
func (c *conn) expect(cl *claim, deadline time.Time) {
	for _, exchanges := range [][]exchange{c.pending, c.tagged} {
		for i := range exchanges {
			if x := &exchanges[i]; x.claim == cl && x.role == roleWait {
				x.deadline = deadline
				c.arm(deadline)
			}
		}
	}
}

// readLoop hands each line to the exchange that it answers. It ends when the
// connection breaks. How long an answer may take is tick's business.
func (c *conn) readLoop() {
	ended := false
	defer func() {
		if !ended { // a function that was called from here called runtime.Goexit
			go c.readLoop()
			return
		}
		c.e.tasks.Done()
	}()
	for !ended {
		line, err := c.read()
		now := time.Now()
		c.e.lock()
		for err == nil && c.broken == nil {
			err = c.answer(line, now)
			if err != nil || !bufferedLine(c.reader) {
				break
			}
			line, err = readLine(c.reader, wire.MaxReply)
		}
		if err == nil && c.reader.Buffered() > 0 && !c.due() {
			err = errUnasked // a part of a line, which the next answer would end
		}
		if err != nil {
			c.fail(broken(err), now)
		}
		ended = c.broken != nil
		c.e.unlock()
	}
}

// read waits for a line. Nothing may come, not even a part of one, while no
// answer is due.
func (c *conn) read() ([]byte, error) {
	if _, err := c.reader.Peek(1); err != nil {
		return nil, err
	}
	if !bufferedLine(c.reader) {
		c.e.lock()
		due := c.due()
		c.e.unlock()
		if !due {
			return nil, errUnasked
		}
	}
	return readLine(c.reader, wire.MaxReply)
}

// answer gives a line to the exchange that it answers. An error means that it
// answers none, and breaks the connection. Caller holds endpoint.mu.
func (c *conn) answer(line []byte, now time.Time) error {
	tag, _, ok := wire.CutTag(line)
	if !ok {
		return violation("a malformed tag")
	}
	x, ok := c.take(tag, line)
	if !ok {
		return errUnasked
	}
	if x.write > c.writes {
		c.pending = append(c.pending, x) // drop tells its claim
		return errUnasked                // it was sent before the request was
	}
	if err := c.handle(x, line, now); err != nil {
		c.pending = append(c.pending, x) // drop tells its claim
		return err
	}
	if c.unanswered() == 0 {
		c.quiet(now)
	}
	return nil
}

func (c *conn) handle(x exchange, line []byte, now time.Time) error {
	r, err := wire.ParseReply(x.command, line)
	if err != nil {
		return violation(err.Error())
	}
	if !r.Token.IsZero() && c.granted(r.Token, x.claim) {
		return violation("a token that names another grant already")
	}
	c.heard = now
	if err := x.claim.answered(c, x, r, now); err != nil {
		return err
	}
	if !c.settled && now.Sub(c.born) >= flapTime {
		c.settled = true
		c.e.gate.answered()
	}
	return nil
}

// quiet takes note that nothing is under way. Caller holds endpoint.mu.
func (c *conn) quiet(now time.Time) {
	if c.e.closing || c.e.single && c.load == 0 {
		c.end(now)
	} else if c.load == 0 {
		c.e.assign() // somebody may wait for a connection like this
		c.arm(c.heard.Add(c.idle))
	}
}

var errUnasked = violation("a line that nobody asked for")

// granted reports whether the token names the grant of another claim on this
// connection. Caller holds endpoint.mu.
func (c *conn) granted(token wire.Token, cl *claim) bool {
	for _, other := range c.held {
		if other != cl && other.token == token {
			return true
		}
	}
	for _, x := range c.pending {
		if x.role == roleConfirm && x.claim != cl && x.claim.token == token {
			return true
		}
	}
	return false
}

// take removes and returns the exchange that a line with this tag answers. Two
// can have the same tag, a wait and the leave that ends it, whose answers may
// come in either order; only one of them fits the line. Caller holds
// endpoint.mu.
func (c *conn) take(tag uint64, line []byte) (exchange, bool) {
	if tag == 0 {
		if len(c.pending) == 0 {
			return exchange{}, false
		}
		x := c.pending[0]
		c.pending = slices.Delete(c.pending, 0, 1)
		return x, true
	}
	found := -1
	for i, x := range c.tagged {
		if x.tag != tag {
			continue
		}
		found = i
		if _, err := wire.ParseReply(x.command, line); err == nil {
			break
		}
	}
	if found < 0 {
		return exchange{}, false
	}
	x := c.tagged[found]
	c.tagged = slices.Delete(c.tagged, found, found+1)
	return x, true
}

// unanswered returns how many answers are due, or will be once their requests
// are written. Caller holds endpoint.mu.
func (c *conn) unanswered() int { return len(c.pending) + len(c.tagged) }

// due reports whether there is a request whose answer can have come. Caller holds
// endpoint.mu.
func (c *conn) due() bool {
	return len(c.pending) > 0 && c.pending[0].write <= c.writes ||
		slices.ContainsFunc(c.tagged, func(x exchange) bool { return x.write <= c.writes })
}

// fail breaks the connection because of err. Caller holds endpoint.mu.
func (c *conn) fail(err error, now time.Time) {
	if c.broken == nil {
		c.e.broke(c, err, now)
		c.drop(err, c.keeps && !c.e.closing, now)
	}
}

// end closes the connection for reasons of our own. Caller holds endpoint.mu.
func (c *conn) end(now time.Time) {
	if c.broken == nil {
		c.drop(ErrClosed, false, now)
	}
}

// drop ends everything that lives on the connection, contexts first, and then
// has the socket closed. With keep, slots stay until their guard or until
// another connection adopts them. Caller holds endpoint.mu.
func (c *conn) drop(err error, keep bool, now time.Time) {
	c.broken = err
	c.e.forget(c)
	if err != ErrClosed {
		err = errs.Unavailable(err)
	}
	held, waiting := c.held, append(c.pending, c.tagged...)
	c.held, c.pending, c.tagged = nil, nil, nil
	if keep {
		c.keep(held, waiting, now)
	} else {
		for _, cl := range held {
			cl.broke(err, now)
		}
		c.keepOwed(waiting, now)
	}
	if cl := c.parked; cl != nil && cl != c.waiting {
		cl.broke(err, now)
	}
	for _, x := range waiting {
		if x.claim.stage != stageHeld && x.claim != c.waiting {
			x.claim.broke(err, now)
		}
	}
	if !c.orphaned() {
		c.disarm()
	}
	close(c.dead)
	c.noteClose(now)
	c.e.closeLater(c.raw)
	c.e.broadcast()
}
