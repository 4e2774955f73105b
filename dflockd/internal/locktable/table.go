package locktable

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// Config is what a table is made with.
type Config struct {
	// MaxKeys is how many keys may be held or waited for; 0: any number.
	MaxKeys int
	// MaxWaiters is how many claims may wait for one key; 0: any number.
	MaxWaiters int
	// KeepOnClose makes slots stay held until their leases end when their
	// connection closes. What only waits leaves at once in any case.
	KeepOnClose bool
	// Grace is until when nothing is granted: claims wait in line meanwhile.
	Grace time.Duration
	// Fence is the number of the grant before the first.
	Fence uint64
	// Random returns the unguessable half of a token.
	Random func() uint64
}

// A Conn is what the table knows of a connection. The zero value is a
// connection without claims; it must not be copied.
type Conn struct {
	// ID is shown in stats.
	ID uint64
	// Owner is for the caller, who gets the Conn back in events.
	Owner any

	claims        claimList
	held, blocked int
	lost          int
}

// Held returns how many slots c holds.
func (c *Conn) Held() int { return c.held }

// Blocked returns how many of c's claims have somebody waiting for an event.
func (c *Conn) Blocked() int { return c.blocked }

// A Claim is what is asked for.
type Claim struct {
	Key     []byte
	Limit   int64
	Lease   time.Duration
	Timeout time.Duration // Acquire and Wait only
	Tag     uint64        // 0: untagged
}

// A Result answers a call. A Status of 0 means that the claim waits and that
// an Event will answer it.
type Result struct {
	Status wire.Status
	Token  wire.Token
	Lease  time.Duration
}

// An Event answers a claim that was blocked.
type Event struct {
	Conn *Conn
	Tag  uint64
	Result
}

// A Table holds the state of a lock server. It is not safe for concurrent use.
type Table struct {
	cfg     Config
	now     time.Duration // never goes back
	frozen  bool          // nothing is granted: grace or drain
	drained bool
	keys    map[string]*lock
	tokens  map[wire.Token]*claim
	places  map[place]*claim
	due     dueHeap
	events  []Event
	count   Counters
	waiting int // claims in line, over all keys
	waits   Histogram
	holds   Histogram
}

// Counters count what happened since the table was made.
type Counters struct {
	Grants, Releases, Expiries, Timeouts uint64
}

// place is how a remembered claim is found again: by key, or by tag.
type place struct {
	conn *Conn
	key  string
	tag  uint64
}

// lock is a key that is held or waited for.
//
// Invariant: held <= limit. Invariant: if anybody waits, held == limit or the
// table is frozen.
type lock struct {
	key     string
	limit   int64
	held    int64
	last    *claim // the latest grant; with limit 1 the holder, if held
	waiting queue
}

// New returns an empty table.
func New(cfg Config) *Table {
	return &Table{
		cfg:    cfg,
		frozen: cfg.Grace > 0,
		keys:   map[string]*lock{},
		tokens: map[wire.Token]*claim{},
		places: map[place]*claim{},
	}
}

// Acquire claims a slot and waits for it for at most a.Timeout.
func (t *Table) Acquire(now time.Duration, c *Conn, a Claim) Result {
	t.Advance(now)
	if a.Tag != 0 && t.lookup(c, a) != nil {
		return Result{Status: wire.ErrorAlreadyEnqueued}
	}
	l, status := t.lockFor(a)
	if status != 0 {
		return Result{Status: status}
	}
	if t.free(l) {
		return t.grant(t.newClaim(c, l, a))
	}
	if t.full(l) {
		return Result{Status: wire.ErrorMaxWaiters}
	}
	if a.Timeout <= 0 {
		t.dropIfIdle(l)
		return t.timedOut()
	}
	cl := t.enqueue(c, l, a)
	if a.Tag != 0 {
		t.remember(cl)
	}
	t.block(cl, a.Timeout)
	return Result{}
}

// Enqueue claims a slot and takes a place in line if there is none. It
// answers Acquired or Queued.
func (t *Table) Enqueue(now time.Duration, c *Conn, a Claim) Result {
	t.Advance(now)
	if old := t.lookup(c, a); old != nil {
		if old.state != stateLost {
			return Result{Status: wire.ErrorAlreadyEnqueued}
		}
		t.forgetLost(old)
	}
	l, status := t.lockFor(a)
	if status != 0 {
		return Result{Status: status}
	}
	if t.free(l) {
		cl := t.newClaim(c, l, a)
		r := t.grant(cl)
		t.remember(cl)
		r.Status = wire.Acquired
		return r
	}
	if t.full(l) {
		return Result{Status: wire.ErrorMaxWaiters}
	}
	t.remember(t.enqueue(c, l, a))
	return Result{Status: wire.Queued}
}

// Wait waits for the place that Enqueue took, for at most a.Timeout; then the
// place is gone. Only Key, Timeout and Tag of a count.
func (t *Table) Wait(now time.Duration, c *Conn, a Claim) Result {
	t.Advance(now)
	cl := t.find(c, a)
	switch {
	case cl == nil && t.drained:
		return Result{Status: wire.ErrorDraining}
	case cl == nil:
		return Result{Status: wire.ErrorNotEnqueued}
	case cl.state == stateLost:
		t.forgetLost(cl)
		return Result{Status: wire.ErrorLeaseExpired}
	case cl.state == stateHeld:
		t.forget(cl)
		t.setDue(cl, after(t.now, cl.lease))
		return Result{Status: wire.OK, Token: cl.token, Lease: cl.lease}
	case cl.blocked:
		return Result{Status: wire.Error} // this tag is being waited for already
	case a.Timeout <= 0:
		t.leave(cl)
		return t.timedOut()
	}
	t.block(cl, a.Timeout)
	return Result{}
}

// Leave gives up the place of a tag. A Wait for it is answered Timeout, and a
// slot that was granted and not yet answered goes back.
func (t *Table) Leave(now time.Duration, c *Conn, a Claim) Result {
	t.Advance(now)
	cl := t.find(c, a)
	switch {
	case cl == nil:
		return Result{Status: wire.ErrorNotEnqueued}
	case cl.state == stateLost:
		t.forgetLost(cl)
	case cl.state == stateHeld:
		t.release(cl)
	case cl.blocked:
		t.expireWait(cl)
	default:
		t.leave(cl)
	}
	return Result{Status: wire.OK}
}

// Release gives a slot back, whichever connection it was granted to.
func (t *Table) Release(now time.Duration, key []byte, token wire.Token) Result {
	t.Advance(now)
	cl := t.tokens[token]
	if cl == nil || cl.lock.key != string(key) {
		return Result{Status: wire.Error}
	}
	t.count.Releases++
	t.release(cl)
	return Result{Status: wire.OK}
}

// Renew sets a slot's lease anew and answers it.
func (t *Table) Renew(now time.Duration, key []byte, token wire.Token, lease time.Duration) Result {
	t.Advance(now)
	cl := t.tokens[token]
	if cl == nil || cl.lock.key != string(key) {
		return Result{Status: wire.Error}
	}
	t.setDue(cl, after(t.now, lease))
	return Result{Status: wire.OK, Lease: lease}
}

// CloseConn ends all claims of c: it leaves every line, and releases its slots
// unless the table keeps them until their leases end.
func (t *Table) CloseConn(now time.Duration, c *Conn) {
	t.Advance(now)
	// What waits goes first, so that no slot released below is granted to it.
	for cl := c.claims.first; cl != nil; {
		next := cl.ownedNext
		switch cl.state {
		case stateWaiting:
			t.leave(cl)
		case stateLost:
			t.forgetLost(cl)
		}
		cl = next
	}
	for c.claims.first != nil {
		if cl := c.claims.first; t.cfg.KeepOnClose {
			t.orphan(cl)
		} else {
			t.release(cl)
		}
	}
}

// Drain stops all grants for good and answers whoever waits ErrorDraining.
// Leases still run out, and slots can still be renewed and released.
func (t *Table) Drain(now time.Duration) {
	t.Advance(now)
	t.frozen, t.drained = true, true
	for _, l := range t.keys {
		for cl := l.waiting.first; cl != nil; {
			next := cl.lineNext
			if cl.blocked {
				t.notify(cl, Result{Status: wire.ErrorDraining})
			}
			t.leave(cl)
			cl = next
		}
	}
}

// Advance moves time on: leases end, waits time out, and what that frees is
// granted. Every other call does it too. A now in the past changes nothing.
func (t *Table) Advance(now time.Duration) {
	t.now = max(t.now, now)
	if t.frozen && !t.drained && t.now >= t.cfg.Grace {
		t.thaw()
	}
	for len(t.due) > 0 && t.due[0].at <= t.now {
		cl := t.due[0]
		switch {
		case cl.due > cl.at: // it was renewed since it entered the heap
			cl.at = cl.due
			t.due.down(0)
		case cl.state == stateWaiting:
			t.expireWait(cl)
		default:
			t.expireLease(cl)
		}
	}
}

// Next returns when Advance next has something to do, or false if nothing is
// due ever.
func (t *Table) Next() (time.Duration, bool) {
	if t.frozen && !t.drained {
		if len(t.due) > 0 {
			return min(t.cfg.Grace, t.due[0].at), true
		}
		return t.cfg.Grace, true
	}
	if len(t.due) == 0 {
		return 0, false
	}
	return t.due[0].at, true
}

// Events returns what happened to blocked claims since the last call, in
// order. The slice is reused: it is valid until the table is next used.
func (t *Table) Events() []Event {
	ev := t.events
	t.events = t.events[:0]
	if cap(ev) > maxSpareEvents {
		t.events = nil
	}
	return ev
}

// maxSpareEvents is how many events the reused slice keeps room for.
const maxSpareEvents = 1024

// lockFor returns the lock that a claims, new if need be, or why not.
func (t *Table) lockFor(a Claim) (*lock, wire.Status) {
	if t.drained {
		return nil, wire.ErrorDraining
	}
	if l := t.keys[string(a.Key)]; l != nil {
		if l.limit != a.Limit {
			return nil, wire.ErrorLimitMismatch
		}
		return l, 0
	}
	if t.cfg.MaxKeys > 0 && len(t.keys) >= t.cfg.MaxKeys {
		return nil, wire.ErrorMaxLocks
	}
	l := &lock{key: string(a.Key), limit: a.Limit}
	t.keys[l.key] = l
	return l, 0
}

// free reports whether a new claim of l may be granted at once. It passes
// nobody: by the invariant of lock, nobody waits while a slot is free.
func (t *Table) free(l *lock) bool {
	return !t.frozen && l.held < l.limit
}

func (t *Table) full(l *lock) bool {
	return t.cfg.MaxWaiters > 0 && l.waiting.len >= t.cfg.MaxWaiters
}

// dropIfIdle forgets a key that nobody holds and nobody waits for.
func (t *Table) dropIfIdle(l *lock) {
	if l.held == 0 && l.waiting.first == nil {
		delete(t.keys, l.key)
	}
}

// serve grants what is free of l to those who wait, first come first served.
func (t *Table) serve(l *lock) {
	for !t.frozen && l.held < l.limit && l.waiting.first != nil {
		cl := l.waiting.first
		l.waiting.remove(cl)
		t.waiting--
		r := t.grant(cl)
		if cl.blocked {
			t.notify(cl, r)
			t.forget(cl)
		}
	}
	t.dropIfIdle(l)
}

// thaw ends the grace after a start.
func (t *Table) thaw() {
	t.frozen = false
	for _, l := range t.keys {
		t.serve(l)
	}
}

func (t *Table) timedOut() Result {
	t.count.Timeouts++
	return Result{Status: wire.Timeout}
}

// newToken numbers the next grant.
func (t *Table) newToken() (tok wire.Token) {
	t.cfg.Fence++
	binary.BigEndian.PutUint64(tok[:8], t.cfg.Fence)
	binary.BigEndian.PutUint64(tok[8:], t.cfg.Random())
	return tok
}

// after returns now + d, or the end of time if that is past it.
func after(now, d time.Duration) time.Duration {
	if d > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + d
}
