package locktable

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/gcra"
)

// model is what a table should do, written to be read: one list of claims in
// the order they came, and a loop over it for every question.
//
// When the table gets round to what may be done later, the model does not say:
// it is told (see told) and says what must follow.
type model struct {
	cfg     Config
	mixed   bool // claims may have different limits
	now     time.Duration
	paused  map[string]time.Duration // until when
	paced   bool                     // who leaves may let somebody pass although no slot gets free
	used    map[string]time.Duration // up to when the clock of a key is used up
	drained bool
	claims  []*modelClaim
	events  []modelEvent
}

type modelClaim struct {
	conn       int // -1: its connection is gone
	key        string
	name       string // of its connection
	limit      int64
	own        bool // it brings its own limit
	pace       gcra.Pace
	tag        uint64
	lease      time.Duration
	state      state
	due        time.Duration
	blocked    bool
	remembered bool
	revoked    bool
	token      wire.Token // zero until the table has told it
	dying      bool       // its connection is gone, and it is to follow
	real       *claim     // the table's
}

type modelEvent struct {
	conn   int
	tag    uint64
	status wire.Status
	claim  *modelClaim // of a grant
}

// stopped reports whether nothing is granted of key now.
func (m *model) stopped(key string) bool { return m.frozen() || m.now < m.paused[key] }

func (m *model) frozen() bool { return m.drained || m.now < m.cfg.Grace }

func (m *model) select_(f func(*modelClaim) bool) (found []*modelClaim) {
	for _, c := range m.claims {
		if f(c) {
			found = append(found, c)
		}
	}
	return found
}

func (m *model) of(key string, s state) []*modelClaim {
	return m.select_(func(c *modelClaim) bool { return c.key == key && c.state == s })
}

// live returns the claims of key that hold or wait, in the order of the line.
func (m *model) live(key string) []*modelClaim {
	return m.select_(func(c *modelClaim) bool {
		return c.key == key && (c.state == stateHeld || c.state == stateWaiting)
	})
}

func (m *model) keys() map[string]bool {
	keys := map[string]bool{}
	for _, c := range m.claims {
		if c.state == stateHeld || c.state == stateWaiting {
			keys[c.key] = true
		}
	}
	return keys
}

// mayHold is the rule: the last of line may hold a slot if his rank in it is at
// most the smallest limit up to and including his own.
func mayHold(line []*modelClaim) bool {
	least := line[0].limit
	for _, c := range line {
		least = min(least, c.limit)
	}
	return int64(len(line)) <= least
}

// upTo returns the live claims up to and including c.
func (m *model) upTo(c *modelClaim) []*modelClaim {
	line := m.live(c.key)
	return line[:slices.Index(line, c)+1]
}

// refused reports whether a claim is refused because of its limit: those who do
// not bring their own must agree.
func (m *model) refused(o op) bool {
	return !o.own && slices.ContainsFunc(m.live(o.key), func(c *modelClaim) bool { return !c.own && c.limit != o.limit })
}

// limit returns what the next grant of key is judged by, and whether its claims
// have different limits.
func (m *model) limit(key string) (least int64, mixed bool) {
	line := m.live(key)
	least = math.MaxInt64
	waits := false
	for _, c := range line {
		if !waits {
			least = min(least, c.limit)
		}
		waits = waits || c.state == stateWaiting
		mixed = mixed || c.limit != line[0].limit
	}
	return least, mixed
}

func (m *model) remembered(conn int, key string, tag uint64) *modelClaim {
	for _, c := range m.claims {
		if c.remembered && c.conn == conn && c.tag == tag && (tag != 0 || c.key == key) {
			return c
		}
	}
	return nil
}

func (m *model) remove(c *modelClaim) {
	c.state, c.remembered, c.blocked = stateGone, false, false
	m.claims = slices.DeleteFunc(m.claims, func(x *modelClaim) bool { return x == c })
}

// serve grants whatever can be granted, of every key. It passes nobody, not
// even who is dying and still in line.
func (m *model) serve() {
	if m.frozen() {
		return
	}
	done := map[string]bool{}
	for _, c := range m.claims {
		if c.state == stateWaiting && !done[c.key] && !m.stopped(c.key) && mayHold(m.upTo(c)) {
			if c.dying || c.real.state == stateWaiting && c.real.lock.unserved {
				done[c.key] = true
				continue
			}
			if c.real.state == stateGone && c.real.token.IsZero() && (m.cfg.Slice > 0 || m.mixed || m.paced) {
				continue // it timed out before the table got round to it, or by which another left
			}
			if !m.ready(c) {
				done[c.key] = true // and nobody passes
				continue
			}
			m.hold(c)
			if c.blocked {
				m.events = append(m.events, modelEvent{c.conn, c.tag, wire.OK, c})
				c.blocked, c.remembered = false, false
			}
		}
	}
}

// ready reports whether the clock lets a claim go.
func (m *model) ready(c *modelClaim) bool {
	return c.pace.IsNone() || m.now >= m.used[c.key]-time.Duration(c.pace.Burst-1)*c.pace.Interval
}

func (m *model) hold(c *modelClaim) {
	if c.state == stateWaiting && !c.pace.IsNone() {
		m.used[c.key] = max(m.used[c.key], m.now) + c.pace.Interval
	}
	c.state = stateHeld
	c.due = m.now + c.lease
}

func (m *model) advance(now time.Duration) {
	m.now = max(m.now, now)
	m.serve() // the grace may be over
	for {
		due := m.select_(func(c *modelClaim) bool {
			return c.due <= m.now && (c.state == stateHeld || c.state == stateWaiting && c.blocked)
		})
		if len(due) == 0 {
			return
		}
		slices.Reverse(due) // whose place frees nothing for the others comes first
		first := slices.MinFunc(due, func(a, b *modelClaim) int {
			return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(b.state, a.state), // held before waiting
				cmp.Compare(a.granted(), b.granted())) // and last whom the end of another's wait let pass
		})
		switch {
		case first.state == stateWaiting:
			m.events = append(m.events, modelEvent{first.conn, first.tag, wire.Timeout, nil})
			m.remove(first)
		case first.remembered && len(m.select_(func(c *modelClaim) bool { return c.conn == first.conn && c.state == stateLost })) < maxLost:
			first.state = stateLost
		default:
			m.remove(first)
		}
		m.serve()
	}
}

// claim is what Acquire and Enqueue have in common; granted says at once.
func (m *model) claim(conn int, o op) (c *modelClaim, granted bool, status wire.Status) {
	if m.drained {
		return nil, false, wire.ErrorDraining
	}
	keys := m.keys()
	if m.refused(o) {
		return nil, false, wire.ErrorLimitMismatch
	}
	if !keys[o.key] && m.cfg.MaxKeys > 0 && len(keys) >= m.cfg.MaxKeys {
		return nil, false, wire.ErrorMaxLocks
	}
	c = &modelClaim{conn: conn, name: connName(conn), key: o.key, limit: o.limit, own: o.own, tag: o.tag, lease: o.lease, pace: o.pace}
	waiting := len(m.of(o.key, stateWaiting))
	if !m.stopped(o.key) && waiting == 0 && mayHold(append(m.live(o.key), c)) && m.ready(c) {
		if m.tooMany(conn) {
			return nil, false, wire.ErrorMaxLocks
		}
		m.claims = append(m.claims, c)
		m.hold(c)
		return c, true, 0
	}
	if m.cfg.MaxWaiters > 0 && waiting >= m.cfg.MaxWaiters {
		return nil, false, wire.ErrorMaxWaiters
	}
	places := m.select_(func(c *modelClaim) bool { return c.conn == conn && c.state == stateWaiting })
	if m.cfg.MaxPlaces > 0 && len(places) >= m.cfg.MaxPlaces {
		return nil, false, wire.ErrorMaxWaiters
	}
	if m.tooMany(conn) {
		return nil, false, wire.ErrorMaxLocks
	}
	return c, false, 0
}

func (m *model) tooMany(conn int) bool {
	claims := m.select_(func(c *modelClaim) bool {
		return c.conn == conn && (c.state == stateWaiting || c.state == stateHeld)
	})
	return m.cfg.MaxSlots > 0 && len(claims) >= m.cfg.MaxSlots
}

func (m *model) acquire(o op) (wire.Status, *modelClaim) {
	if o.tag != 0 && m.remembered(o.conn, o.key, o.tag) != nil {
		return wire.ErrorAlreadyEnqueued, nil
	}
	c, granted, status := m.claim(o.conn, o)
	switch {
	case status != 0:
		return status, nil
	case granted:
		return wire.OK, c
	case o.timeout == 0:
		return wire.Timeout, nil
	}
	c.blocked, c.remembered, c.due = true, o.tag != 0, m.now+o.timeout
	m.claims = append(m.claims, c)
	return 0, nil
}

func (m *model) enqueue(o op) (wire.Status, *modelClaim) {
	if old := m.remembered(o.conn, o.key, o.tag); old != nil {
		if old.state != stateLost {
			return wire.ErrorAlreadyEnqueued, nil
		}
		m.remove(old)
	}
	c, granted, status := m.claim(o.conn, o)
	if status != 0 {
		return status, nil
	}
	c.remembered = true
	if granted {
		return wire.Acquired, c
	}
	m.claims = append(m.claims, c)
	return wire.Queued, nil
}

func (m *model) wait(o op) (wire.Status, *modelClaim) {
	c := m.remembered(o.conn, o.key, o.tag)
	switch {
	case (c == nil || c.key != o.key) && m.drained:
		return wire.ErrorDraining, nil
	case c == nil || c.key != o.key:
		return wire.ErrorNotEnqueued, nil
	case c.state == stateLost:
		m.remove(c)
		return wire.ErrorLeaseExpired, nil
	case c.state == stateHeld && c.revoked:
		c.remembered = false
		return wire.ErrorLeaseExpired, nil
	case c.state == stateHeld:
		c.remembered = false
		m.hold(c)
		return wire.OK, c
	case c.blocked:
		return wire.Error, nil
	case m.drained:
		m.remove(c)
		return wire.ErrorDraining, nil
	case o.timeout == 0:
		m.remove(c)
		m.serve()
		return wire.Timeout, nil
	}
	c.blocked, c.due = true, m.now+o.timeout
	return 0, nil
}

func (m *model) leave(o op) wire.Status {
	c := m.remembered(o.conn, o.key, o.tag)
	if c == nil || c.key != o.key {
		return wire.ErrorNotEnqueued
	}
	if c.blocked {
		m.events = append(m.events, modelEvent{c.conn, c.tag, wire.Timeout, nil})
	}
	m.remove(c)
	m.serve()
	return wire.OK
}

func (m *model) holder(key string, token wire.Token) *modelClaim {
	for _, c := range m.claims {
		if c.state == stateHeld && !c.dying && c.key == key && c.token == token && !token.IsZero() {
			return c
		}
	}
	return nil
}

func (m *model) release(o op) wire.Status {
	c := m.holder(o.key, o.token)
	if c == nil {
		return wire.Error
	}
	m.remove(c)
	m.serve()
	return wire.OK
}

func (m *model) renew(o op) wire.Status {
	c := m.holder(o.key, o.token)
	switch {
	case c == nil:
		return wire.Error
	case c.revoked:
		return wire.ErrorRevoked
	}
	c.due = m.now + o.lease
	return wire.OK
}

func (m *model) pause(o op) wire.Status {
	m.paused[o.key] = max(m.paused[o.key], m.now+o.lease)
	return wire.OK
}

func (m *model) endPause(o op) wire.Status {
	delete(m.paused, o.key)
	m.serve()
	return wire.OK
}

func (m *model) revoke(o op) wire.Status {
	for _, c := range m.claims {
		if c.state == stateHeld && c.key == o.key && c.token == o.token && !o.token.IsZero() {
			c.revoked = true
			return wire.OK
		}
	}
	return wire.ErrorNoHolder
}

func (m *model) closeConn(conn int) {
	for _, c := range m.claims {
		if c.conn == conn {
			c.conn, c.remembered, c.blocked = -1, false, false
			c.dying = c.state != stateHeld || !m.cfg.KeepOnClose
		}
	}
}

// told removes what the table has cleared of the dying, and returns how many
// those were. Leases that have run out are left to advance.
func (m *model) told() int {
	before := len(m.claims)
	for _, c := range slices.Clone(m.claims) {
		if c.dying && c.real.state == stateGone && !(c.state == stateHeld && c.due <= m.now) {
			m.remove(c)
		}
	}
	m.serve()
	return before - len(m.claims)
}

// toldOfDrain removes those who the table has sent away in a drain, but for
// who has left.
func (m *model) toldOfDrain(left *modelClaim) {
	for _, c := range slices.Clone(m.claims) {
		if !m.drained || c == left || c.state != stateWaiting || c.real.state != stateGone {
			continue
		}
		if c.blocked {
			m.events = append(m.events, modelEvent{c.conn, c.tag, wire.ErrorDraining, nil})
		}
		m.remove(c)
	}
}

// granted is 1 if the table has ever granted the claim, and 0 otherwise.
func (c *modelClaim) granted() int {
	if c.real.token.IsZero() {
		return 0
	}
	return 1
}

// op is one step of a history.
type op struct {
	verb    verb
	conn    int
	own     bool // conn brings its own limits
	key     string
	tag     uint64
	limit   int64
	lease   time.Duration
	timeout time.Duration
	pace    gcra.Pace
	token   wire.Token
	pass    time.Duration // time that passes before
}

type verb int

const (
	opAcquire verb = iota
	opEnqueue
	opWait
	opLeave
	opRelease
	opRenew
	opClose
	opPass
	opDrain
	opClear
	opPause
	opEndPause
	opRevoke
)

func (o op) String() string {
	return fmt.Sprintf("+%d %s conn=%d own=%t key=%s tag=%d limit=%d lease=%d timeout=%d pace=%d/%d fence=%d", o.pass,
		[]string{"acquire", "enqueue", "wait", "leave", "release", "renew", "close", "pass", "drain", "clear", "pause", "end the pause", "revoke"}[o.verb],
		o.conn, o.own, o.key, o.tag, o.limit, o.lease, o.timeout, o.pace.Interval, o.pace.Burst, o.token.Fence())
}
