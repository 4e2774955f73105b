package locktable

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/internal/trace"
)

// Config is what a table is made with.
type Config struct {
	// MaxKeys is how many keys may be held or waited for; 0: any number.
	MaxKeys int
	// MaxWaiters is how many claims may wait for one key; 0: any number.
	MaxWaiters int
	// MaxPlaces is how many claims of one connection may wait, and MaxSlots how
	// many may hold a slot or wait for one; 0: any number.
	MaxPlaces, MaxSlots int
	// Slice is how many claims one call serves, or clears after a connection
	// has closed; 0: DefaultSlice. What is left is for Clear.
	Slice int
	// KeepOnClose makes slots stay held until their leases end when their
	// connection closes. What only waits leaves at once in any case.
	KeepOnClose bool
	// Grace is until when nothing is granted: claims wait in line meanwhile.
	Grace time.Duration
	// Fence is the number of the grant before the first.
	Fence uint64
	// Random returns the unguessable half of a token.
	Random func() uint64
	// Note, unless it is nil, is told what happens to the claim of a connection that
	// no call asked for or that a call's result does not say: see note.go.
	Note func(now time.Duration, c *Conn, e trace.Event)
}

// A Claim is what is asked for.
type Claim struct {
	Key     []byte
	Limit   int64
	Lease   time.Duration
	Timeout time.Duration // Acquire and Wait only
	Tag     uint64        // 0: untagged
	Pace    gcra.Pace     // Acquire and Enqueue only; or none
}

// A Result answers a call. A Status of 0 means that the claim waits and that
// an Event will answer it.
type Result struct {
	Status wire.Status
	Place  int           // in line, from 1: of Queued
	Paused time.Duration // for how long nothing is granted of the key: of Renew
	Token  wire.Token
	Lease  time.Duration
	Bound  Bound // why a claim was refused, if a bound is why
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
	keys    lockMap
	tokens  tokenMap
	places  int               // remembered claims
	orphans map[*claim]string // the names of those whose connection is gone
	due     dueHeap
	pauses  pauses
	clocks  clocks
	events  []Event
	count   Counters
	mixed   int // keys whose claims have different limits
	listed  int // claims that wait or hold, of connections that are listed
	waiting int // claims in line, over all keys
	waits   Histogram
	holds   Histogram

	budget   int // what is left of the Slice of this call
	closing  connList
	unserved []*lock
}

// Listed returns how many claims of listed connections wait or hold a slot.
func (t *Table) Listed() int { return t.listed }

// Mixtures returns how often a key came to have claims of different limits.
func (t *Table) Mixtures() uint64 { return t.count.Mixtures }

// Counters count what happened since the table was made.
type Counters struct {
	Grants, Releases, Expiries, Timeouts uint64
	Mixtures                             uint64 // beginnings of a key with different limits
}

// lock is a key that is held or waited for.
//
// Invariant: held is at most the limit of each holder.
type lock struct {
	key   string
	limit int64    // of all who hold or wait, unless it is mixed
	mixed *mixture // nil: they have one limit
	held  int64
	line  queue  // those who hold, in the order of their grants, and then those who wait
	head  *claim // of line, the first who waits; nil: nobody does

	agreeing int32 // of those who hold or wait, how many must have the same limit
	delay    delay // why free slots may have to wait
	unserved bool  // in the table's list
	dropped  bool  // not in the table any more
}

// waiting returns how many wait.
func (l *lock) waiting() int { return l.line.len - int(l.held) }

// hold counts a slot that cl, the last of those who do, holds from now on.
func (l *lock) hold(cl *claim) {
	l.held++
	if l.mixed != nil {
		l.mixed.hold(cl)
	}
}

// unhold counts it no more.
func (l *lock) unhold(cl *claim) {
	l.held--
	l.line.remove(cl)
	if l.mixed != nil {
		l.mixed.unhold(cl)
	}
}

// New returns an empty table.
func New(cfg Config) *Table {
	if cfg.Slice == 0 {
		cfg.Slice = DefaultSlice
	}
	return &Table{
		cfg:    cfg,
		frozen: cfg.Grace > 0,
		keys:   lockMap{seed: maphash.MakeSeed()},
	}
}

// Acquire claims a slot and waits for it for at most a.Timeout.
func (t *Table) Acquire(now time.Duration, c *Conn, a Claim) Result {
	t.begin(now)
	if a.Tag != 0 && c.lookup(a.Tag, a.Key) != nil {
		return Result{Status: wire.ErrorAlreadyEnqueued}
	}
	l, refusal := t.lockFor(c, a)
	if l == nil {
		return refusal
	}
	if t.free(l, a) {
		return t.grant(t.newClaim(c, l, a))
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
	t.begin(now)
	if old := c.lookup(a.Tag, a.Key); old != nil {
		if old.state != stateLost {
			return Result{Status: wire.ErrorAlreadyEnqueued}
		}
		t.forgetLost(old)
	}
	l, refusal := t.lockFor(c, a)
	if l == nil {
		return refusal
	}
	if t.free(l, a) {
		cl := t.newClaim(c, l, a)
		r := t.grant(cl)
		t.remember(cl)
		r.Status = wire.Acquired
		return r
	}
	t.remember(t.enqueue(c, l, a))
	return Result{Status: wire.Queued, Place: l.waiting()}
}

// Wait waits for the place that Enqueue took, for at most a.Timeout; then the
// place is gone. Only Key, Timeout and Tag of a count.
func (t *Table) Wait(now time.Duration, c *Conn, a Claim) Result {
	t.begin(now)
	cl := c.find(a.Tag, a.Key)
	switch {
	case cl == nil && t.drained:
		return Result{Status: wire.ErrorDraining}
	case cl == nil:
		return Result{Status: wire.ErrorNotEnqueued}
	case cl.state == stateLost:
		t.forgetLost(cl)
		return Result{Status: wire.ErrorLeaseExpired}
	case cl.state == stateHeld && cl.origin.has(revoked):
		t.forget(cl) // and its lease goes on to its end
		return Result{Status: wire.ErrorLeaseExpired}
	case cl.state == stateHeld:
		t.forget(cl)
		t.setDue(cl, after(t.now, cl.lease))
		return Result{Status: wire.OK, Token: cl.token, Lease: cl.lease}
	case cl.blocked:
		return Result{Status: wire.Error} // this tag is being waited for already
	case t.drained:
		t.leave(cl)
		return Result{Status: wire.ErrorDraining}
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
	t.begin(now)
	cl := c.find(a.Tag, a.Key)
	switch {
	case cl == nil:
		return Result{Status: wire.ErrorNotEnqueued}
	case cl.state == stateLost:
		t.forgetLost(cl)
	case cl.state == stateHeld:
		t.release(cl, trace.Release)
	case cl.blocked:
		t.expireWait(cl)
	default:
		t.leave(cl)
	}
	return Result{Status: wire.OK}
}

// Release gives a slot back, whichever connection it was granted to.
func (t *Table) Release(now time.Duration, key []byte, token wire.Token) Result {
	t.begin(now)
	cl := t.holder(key, token)
	if cl == nil {
		return Result{Status: wire.Error}
	}
	t.count.Releases++
	t.release(cl, trace.Release)
	return Result{Status: wire.OK}
}

// Renew sets a slot's lease anew and answers it.
func (t *Table) Renew(now time.Duration, key []byte, token wire.Token, lease time.Duration) Result {
	t.begin(now)
	cl := t.holder(key, token)
	switch {
	case cl == nil:
		return Result{Status: wire.Error}
	case cl.origin.has(revoked):
		return Result{Status: wire.ErrorRevoked}
	}
	t.setDue(cl, after(t.now, lease))
	r := Result{Status: wire.OK, Lease: lease}
	if cl.lock.delay.has(delayPause) {
		r.Paused = t.pausedFor(cl.lock.key)
	}
	return r
}

// Drain stops all grants for good and answers whoever waits ErrorDraining.
// Leases still run out, and slots can still be renewed and released.
func (t *Table) Drain(now time.Duration) {
	t.begin(now)
	t.frozen, t.drained = true, true
	t.noteDrain()
	t.serveAll()
}

// Advance moves time on: leases end, waits time out, and what that frees is
// granted. Every other call does it too. A now in the past changes nothing.
func (t *Table) Advance(now time.Duration) { t.begin(now) }

// begin begins a call: time has moved on.
func (t *Table) begin(now time.Duration) {
	t.budget = t.cfg.Slice
	t.now = max(t.now, now)
	if t.frozen && !t.drained && t.now >= t.cfg.Grace {
		t.thaw()
	}
	t.resumeAll()
	t.tick()
	for len(t.due) > 0 && t.due[0].at <= t.now {
		cl := t.due[0]
		switch {
		case cl.due > cl.at: // it was renewed since it entered the heap
			cl.at = cl.due
			t.due.down(0)
		case cl.state == stateWaiting && cl.lock.unserved && t.budget > 0:
			t.serve(cl.lock) // it may be granted yet
		case cl.state == stateWaiting:
			t.expireWait(cl)
		default:
			t.expireLease(cl)
		}
	}
}

// Next returns when Advance next has something to do, or false if nothing is
// due ever.
func (t *Table) Next() (next time.Duration, ok bool) {
	next = math.MaxInt64
	if t.frozen && !t.drained {
		next, ok = t.cfg.Grace, true
	}
	if len(t.due) > 0 {
		next, ok = min(next, t.due[0].at), true
	}
	if len(t.pauses.heap) > 0 {
		next, ok = min(next, t.pauses.heap[0].until), true
	}
	if len(t.clocks.heap) > 0 {
		next, ok = min(next, t.clocks.heap[0].at), true
	}
	return next, ok
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

// lockFor returns the lock that c claims, new if need be, or why not.
func (t *Table) lockFor(c *Conn, a Claim) (*lock, Result) {
	if t.drained {
		return nil, Result{Status: wire.ErrorDraining}
	}
	l := t.keys.get(a.Key)
	if l != nil && l.unserved {
		t.serve(l) // which may drop it
		l = t.keys.get(a.Key)
	}
	switch {
	case l != nil && l.mismatch(c, a.Limit):
		return nil, Result{Status: wire.ErrorLimitMismatch}
	case l == nil && t.cfg.MaxKeys > 0 && t.keys.len >= t.cfg.MaxKeys:
		return nil, MaxKeys.refusal()
	case l == nil:
		l = &lock{key: string(a.Key), limit: a.Limit}
		if len(t.pauses.heap) > 0 && t.pauses.byKey[l.key] != nil {
			l.delay = delayPause
		}
		t.keys.add(l)
	}
	if b := t.exceeded(c, l, a); b != 0 {
		t.dropIfIdle(l)
		return nil, b.refusal()
	}
	return l, Result{}
}

// free reports whether a new claim of l may be granted at once. It passes
// nobody.
func (t *Table) free(l *lock, a Claim) bool {
	return !t.stopped(l) && l.room(a.Limit) && l.head == nil && (a.Pace.IsNone() || t.ready(l.key, a.Pace))
}

// dropIfIdle forgets a key that nobody holds and nobody waits for.
func (t *Table) dropIfIdle(l *lock) {
	if l.held == 0 && l.head == nil && !l.dropped {
		l.dropped = true
		t.keys.remove(l)
	}
}

// thaw ends the grace after a start.
func (t *Table) thaw() {
	t.frozen = false
	t.serveAll()
}

// serveAll serves every line, as far as this call may.
func (t *Table) serveAll() {
	t.keys.each(func(l *lock) bool {
		t.serve(l)
		return true
	})
}

// holder returns the claim of key whose token this is, if it may still be
// renewed and released.
func (t *Table) holder(key []byte, token wire.Token) *claim {
	cl := t.tokens.get(token)
	if cl == nil || cl.lock.key != string(key) {
		return nil
	}
	if cl.conn != nil && cl.conn.closed && !t.cfg.KeepOnClose {
		return nil // its turn to be released comes
	}
	return cl
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
