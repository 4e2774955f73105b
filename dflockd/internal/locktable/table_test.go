package locktable

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair drives a table and its model with the same steps.
type pair struct {
	table   *Table
	model   *model
	conns   []*Conn
	tokens  []wire.Token // told so far, the latest last; some are dead by now
	now     time.Duration
	stops   bool // keys are paused and slots taken back
	paced   bool // claims have paces, or some of them
	history []op
}

func newPair(cfg Config, conns int) *pair {
	cfg.Random = func() uint64 { return 42 }
	p := &pair{table: New(cfg), model: &model{cfg: cfg, paused: map[string]time.Duration{}, used: map[string]time.Duration{}}, conns: make([]*Conn, conns)}
	for i := range p.conns {
		p.conns[i] = &Conn{ID: uint64(i), Name: connName(i)}
	}
	return p
}

// connName returns the name of a connection; some have none.
func connName(i int) string {
	if i%3 == 2 {
		return ""
	}
	return fmt.Sprint("client-", i)
}

// ownLimits has every second connection bring its own limits, or all.
func (p *pair) ownLimits(all bool) {
	p.model.mixed = true
	for i, c := range p.conns {
		c.OwnLimits = all || i%2 == 0
	}
}

// step does o on both sides and says how they differ, if they do.
func (p *pair) step(o op) error {
	o.own = p.conns[o.conn].OwnLimits
	p.history = append(p.history, o)
	p.now += o.pass
	got := p.onTable(o)
	p.model.now = max(p.model.now, p.now)
	if o.verb == opDrain { // the places that it frees are granted to nobody
		p.model.drained = true
	}
	if n := p.model.told(); n > p.table.cfg.Slice && o.pass == 0 {
		return fmt.Errorf("cleared %d claims in one call, %d at most", n, p.table.cfg.Slice)
	}
	p.model.advance(p.now)
	var left *modelClaim
	if o.verb == opLeave && got.Status == wire.OK {
		left = p.model.remembered(o.conn, o.key, o.tag)
	}
	p.model.toldOfDrain(left)
	want, granted := p.onModel(o)
	if n := len(p.model.claims); n > 0 && p.model.claims[n-1].real == nil {
		p.model.claims[n-1].real = p.conns[o.conn].claims.first
	}
	p.model.toldOfDrain(nil)
	if got.Status != want {
		return fmt.Errorf("answered %v, want %v", got.Status, want)
	}
	if granted != nil {
		if err := p.learn(granted, got); err != nil {
			return err
		}
	}
	return p.compareEvents()
}

func (p *pair) onTable(o op) (got Result) {
	c := p.conns[o.conn]
	a := Claim{Key: []byte(o.key), Limit: o.limit, Lease: o.lease, Timeout: o.timeout, Tag: o.tag, Pace: o.pace}
	switch o.verb {
	case opAcquire:
		got = p.table.Acquire(p.now, c, a)
	case opEnqueue:
		got = p.table.Enqueue(p.now, c, a)
	case opWait:
		got = p.table.Wait(p.now, c, a)
	case opLeave:
		got = p.table.Leave(p.now, c, a)
	case opRelease:
		got = p.table.Release(p.now, a.Key, o.token)
	case opRenew:
		got = p.table.Renew(p.now, a.Key, o.token, o.lease)
	case opClose:
		p.table.CloseConn(p.now, c)
		p.conns[o.conn] = &Conn{ID: c.ID, Name: c.Name, OwnLimits: c.OwnLimits} // the next of this number
	case opPass:
		p.table.Advance(p.now)
	case opDrain:
		p.table.Drain(p.now)
	case opClear:
		p.table.Clear(p.now)
	case opPause:
		got = p.table.Pause(p.now, a.Key, o.lease)
	case opEndPause:
		got = p.table.EndPause(p.now, a.Key)
	case opRevoke:
		got = p.table.Revoke(p.now, a.Key, o.token.Fence())
	}
	return got
}

func (p *pair) onModel(o op) (want wire.Status, granted *modelClaim) {
	switch o.verb {
	case opAcquire:
		want, granted = p.model.acquire(o)
	case opEnqueue:
		want, granted = p.model.enqueue(o)
	case opWait:
		want, granted = p.model.wait(o)
	case opLeave:
		want = p.model.leave(o)
	case opRelease:
		want = p.model.release(o)
	case opRenew:
		want = p.model.renew(o)
	case opClose:
		p.model.closeConn(o.conn)
	case opPause:
		want = p.model.pause(o)
	case opEndPause:
		want = p.model.endPause(o)
	case opRevoke:
		want = p.model.revoke(o)
	}
	return want, granted
}

// clearAll lets the table finish, and says so if it does not.
func (p *pair) clearAll() error {
	for range 2 * (len(p.model.claims) + 1) {
		if !p.table.Pending() {
			break
		}
		if err := p.step(op{verb: opClear}); err != nil {
			return err
		}
	}
	left := p.model.select_(func(c *modelClaim) bool { return c.dying || p.model.drained && c.state == stateWaiting })
	if p.table.Pending() || len(left) > 0 {
		return fmt.Errorf("%d claims are never cleared", len(left))
	}
	return p.compareAll()
}

// learn gives the model the token of a grant.
func (p *pair) learn(c *modelClaim, r Result) error {
	if r.Token.IsZero() || !c.token.IsZero() && c.token != r.Token {
		return fmt.Errorf("the token changed")
	}
	if r.Lease != c.lease {
		return fmt.Errorf("lease %d, want %d", r.Lease, c.lease)
	}
	c.token = r.Token
	p.tokens = append(p.tokens, r.Token)
	return nil
}

func (p *pair) compareEvents() error {
	got := slices.Clone(p.table.Events())
	want := p.model.events
	p.model.events = nil
	if len(got) != len(want) {
		return fmt.Errorf("%d events, want %d", len(got), len(want))
	}
	if len(got) == 0 {
		return nil
	}
	// Between keys there is no order.
	slices.SortStableFunc(got, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Conn.ID, b.Conn.ID), cmp.Compare(a.Tag, b.Tag))
	})
	slices.SortStableFunc(want, func(a, b modelEvent) int {
		return cmp.Or(cmp.Compare(a.conn, b.conn), cmp.Compare(a.tag, b.tag))
	})
	for i, w := range want {
		g := got[i]
		if p.model.drained && w.status == wire.Timeout && g.Status == wire.ErrorDraining {
			w.status = g.Status // both are true then
		}
		if int(g.Conn.ID) != w.conn || g.Tag != w.tag || g.Status != w.status {
			return fmt.Errorf("event for conn %d tag %d: %v, want conn %d tag %d: %v", g.Conn.ID, g.Tag, g.Status, w.conn, w.tag, w.status)
		}
		if w.claim != nil {
			if err := p.learn(w.claim, g.Result); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareAll looks at everything that both sides hold.
func (p *pair) compareAll() error {
	got := p.table.Keys(p.now, nil, math.MaxInt)
	p.model.advance(p.now)
	if want := p.model.keys(); len(got) != len(want) {
		return fmt.Errorf("%d keys, want %d", len(got), len(want))
	}
	for _, k := range got {
		holders, waiters := p.model.of(k.Key, stateHeld), p.model.of(k.Key, stateWaiting)
		if limit, mixed := p.model.limit(k.Key); k.Limit != limit || k.Mixed != mixed {
			return fmt.Errorf("key %s: limit %d (mixed: %t), want %d (%t)", k.Key, k.Limit, k.Mixed, limit, mixed)
		}
		if int(k.Holders) != len(holders) || k.Waiters != len(waiters) {
			return fmt.Errorf("key %s: %d hold and %d wait, want %d and %d", k.Key, k.Holders, k.Waiters, len(holders), len(waiters))
		}
		if k.Limit == 1 && !k.Mixed && len(holders) == 1 && (k.Left != holders[0].due-p.now || int(k.Owner) != max(holders[0].conn, 0)) {
			return fmt.Errorf("key %s: %d left for conn %d, want %d for %d", k.Key, k.Left, k.Owner, holders[0].due-p.now, holders[0].conn)
		}
	}
	if err := p.compareInspect(); err != nil {
		return err
	}
	for i, c := range p.conns {
		held := p.model.select_(func(m *modelClaim) bool { return m.conn == i && m.state == stateHeld })
		blocked := p.model.select_(func(m *modelClaim) bool { return m.conn == i && m.blocked })
		if c.Held() != len(held) || c.Blocked() != len(blocked) {
			return fmt.Errorf("conn %d holds %d and waits for %d, want %d and %d", i, c.Held(), c.Blocked(), len(held), len(blocked))
		}
	}
	remembered := p.model.select_(func(c *modelClaim) bool { return c.remembered })
	total := p.table.Totals()
	if total.Places != len(remembered) && !p.table.Pending() {
		return fmt.Errorf("%d places, want %d", total.Places, len(remembered))
	}
	waiting := p.model.select_(func(c *modelClaim) bool { return c.state == stateWaiting })
	if total.Waiting != len(waiting) && !p.table.Pending() {
		return fmt.Errorf("%d wait, want %d", total.Waiting, len(waiting))
	}
	if waits, holds := total.Waits.Count(), total.Holds.Count(); waits != total.Grants || holds != total.Grants-uint64(total.Held) {
		return fmt.Errorf("%d waits and %d holds of %d grants were timed, and %d are held", waits, holds, total.Grants, total.Held)
	}
	return p.table.check()
}

// compareInspect looks at each key as whoever inspects it does.
func (p *pair) compareInspect() error {
	for key := range p.model.keys() {
		s := p.table.Inspect(p.now, []byte(key), 2)
		holders, waiters := p.model.of(key, stateHeld), p.model.of(key, stateWaiting)
		if want := max(0, p.model.paused[key]-p.now); s.Paused != want {
			return fmt.Errorf("key %s: paused for %d more, want %d", key, s.Paused, want)
		}
		if s.Held != len(holders) || s.Waiting != len(waiters) || len(s.Holders) != min(2, len(holders)) || len(s.Waiters) != min(2, len(waiters)) {
			return fmt.Errorf("key %s: inspected: %+v, want %d and %d", key, s, len(holders), len(waiters))
		}
		for i, got := range s.Holders {
			if want := holders[i]; got.Name != want.name || got.Limit != want.limit || got.Left != want.due-p.now || got.Fence != want.real.token.Fence() {
				return fmt.Errorf("key %s: holder %d: %+v, want %s with %d for %d more", key, i, got, want.name, want.limit, want.due-p.now)
			}
		}
		for i, got := range s.Waiters {
			if want := waiters[i]; got.Name != want.name || got.Limit != want.limit {
				return fmt.Errorf("key %s: waiter %d: %+v, want %s with %d", key, i, got, want.name, want.limit)
			}
		}
	}
	return nil
}

// check holds the table's own invariants.
func (t *Table) check() error {
	inHeap := 0
	for i, cl := range t.due {
		inHeap++
		if int(cl.heap) != i || cl.at > cl.due || i > 0 && t.due[(i-1)/2].at > cl.at {
			return fmt.Errorf("heap out of order at %d", i)
		}
	}
	blocked, mixed := 0, 0
	for key, l := range t.locks() {
		if l.held > l.most() || l.line.len == 0 || key != l.key {
			return fmt.Errorf("key %s: held %d of %d, %d wait", key, l.held, l.limit, l.waiting())
		}
		if l.head != nil && (l.room(l.limitOf(l.head)) && !t.stopped(l) || t.drained) && !l.unserved {
			return fmt.Errorf("key %s: a slot is free and somebody waits", key)
		}
		n := 0
		for cl := l.head; cl != nil; cl = cl.lineNext {
			n++
			if cl.blocked {
				blocked++
			}
			if cl.state != stateWaiting {
				return fmt.Errorf("key %s: one who is %v waits in line", key, cl.state)
			}
		}
		held := 0
		for cl := l.line.first; cl != l.head; cl = cl.lineNext {
			if held++; cl.state != stateHeld {
				return fmt.Errorf("key %s: one who is %v is among the holders", key, cl.state)
			}
		}
		if n != l.waiting() || int64(held) != l.held {
			return fmt.Errorf("key %s: %d in line and %d hold, counted are %d and %d", key, n, held, l.waiting(), l.held)
		}
		if l.mixed != nil {
			mixed++
		}
		if err := l.checkShares(); err != nil {
			return fmt.Errorf("key %s: %w", key, err)
		}
	}
	for cl, name := range t.orphans {
		if cl.state != stateHeld || cl.conn != nil {
			return fmt.Errorf("%s is remembered for one who is %v", name, cl.state)
		}
	}
	if err := t.checkClocks(); err != nil {
		return err
	}
	if mixed != t.mixed {
		return fmt.Errorf("%d keys have different limits, %d counted", mixed, t.mixed)
	}
	if inHeap != t.tokens.len+blocked {
		return fmt.Errorf("%d in the heap, %d tokens and %d blocked", inHeap, t.tokens.len, blocked)
	}
	return nil
}

// checkClocks holds that there is a clock for whom it is needed, and no other, and that
// each is looked at in time.
func (t *Table) checkClocks() error {
	for i, c := range t.clocks.heap {
		if c.index != i || i > 0 && t.clocks.heap[(i-1)/2].at > c.at || t.clocks.byKey[c.key] != c || c.at <= t.now {
			return fmt.Errorf("the heap of clocks is out of order at %d", i)
		}
	}
	waiting := 0
	for key, l := range t.locks() {
		n := 0
		for cl := l.head; cl != nil; cl = cl.lineNext {
			if cl.origin.has(paced) {
				n++
			}
		}
		if waiting += n; (n > 0) != l.delay.has(delayClock) {
			return fmt.Errorf("key %s: %d wait with a pace, and its delay is %d", key, n, l.delay)
		}
		if n == 0 || !l.head.origin.has(paced) || l.unserved || t.frozen || l.delay.has(delayPause) || !l.room(l.limitOf(l.head)) {
			continue
		}
		if c := t.clocks.byKey[key]; c.index < 0 || c.at > c.Ready(c.paces[l.head]) {
			return fmt.Errorf("key %s: nobody looks at the first in line when the clock lets him go", key)
		}
	}
	for key, c := range t.clocks.byKey {
		if waiting -= len(c.paces); len(c.paces) == 0 && c.Rests() <= t.now || c.Rests() > t.now && c.index < 0 {
			return fmt.Errorf("the clock of key %s is kept for nothing, or for ever", key)
		}
	}
	if waiting != 0 {
		return fmt.Errorf("%d claims wait with a pace that no clock knows", waiting)
	}
	return nil
}

// checkShares holds the invariants of a mixture.
func (l *lock) checkShares() error {
	m := l.mixed
	if m == nil {
		return nil
	}
	live, held, heap := int64(0), int64(0), 0
	for limit, s := range m.shares {
		live, held = live+s.live, held+s.held
		if s.limit != limit || s.live < max(1, s.held) {
			return fmt.Errorf("the share of limit %d has %d live and %d held", limit, s.live, s.held)
		}
		if s.held > 0 {
			heap++
			if m.held[s.heap] != s || s.limit < m.least() {
				return fmt.Errorf("the share of limit %d is not where it says", limit)
			}
		}
	}
	if len(m.shares) < 2 || live != int64(l.line.len) || held != l.held || heap != len(m.held) || int64(len(m.young)) > live {
		return fmt.Errorf("%d shares of %d live and %d held, %d in the heap", len(m.shares), live, held, heap)
	}
	return nil
}

func (t *Table) locks() map[string]*lock {
	all := map[string]*lock{}
	t.keys.each(func(l *lock) bool {
		all[l.key] = l
		return true
	})
	return all
}

// randomOp draws a step. An untagged request that blocks holds its connection
// back, as the server does: then only a close or another connection's step.
func (p *pair) randomOp(rng *rand.Rand, keys int) op {
	o := op{
		verb:  []verb{opAcquire, opAcquire, opEnqueue, opEnqueue, opWait, opWait, opLeave, opRelease, opRelease, opRenew, opPass, opClose, opClear, opClear}[rng.IntN(14)],
		conn:  rng.IntN(len(p.conns)),
		key:   string(rune('a' + rng.IntN(keys))),
		limit: 1,
		lease: time.Duration(1 + rng.IntN(20)),
		pass:  time.Duration(max(0, rng.IntN(6)-3)),
	}
	if o.key != "a" {
		o.limit = int64(o.key[0] - 'a' + 1)
	}
	if rng.IntN(50) == 0 || p.conns[o.conn].OwnLimits && rng.IntN(2) == 0 {
		o.limit = 1 + int64(rng.IntN(4))
	}
	if rng.IntN(2) == 0 {
		o.timeout = time.Duration(rng.IntN(10))
	}
	if rng.IntN(3) == 0 || o.verb == opLeave {
		o.tag = uint64(1 + rng.IntN(3))
	}
	if o.verb == opClose && rng.IntN(3) > 0 {
		o.verb = opPass
	}
	if o.verb == opClear {
		o.pass = 0 // what is due comes before what is cleared
	}
	if p.held(o.conn) && o.verb != opClose && o.verb != opClear {
		o.verb = opPass
	}
	if p.paced && rng.IntN(3) > 0 {
		o.pace = gcra.Pace{Interval: time.Duration(1 + rng.IntN(8)), Burst: int64(1 + rng.IntN(3))}
	}
	if p.stops && rng.IntN(12) == 0 {
		o.verb = []verb{opPause, opEndPause, opRevoke}[rng.IntN(3)]
	}
	if len(p.tokens) > 64 {
		p.tokens = slices.Delete(p.tokens, 0, 32)
	}
	if n := len(p.tokens); n > 0 {
		o.token = p.tokens[n-1-rng.IntN(min(n, 16))]
		if c := p.model.byToken(o.token); c != nil && rng.IntN(8) > 0 {
			o.key = c.key
		}
	}
	return o
}

// held reports whether an untagged request of conn blocks.
func (p *pair) held(conn int) bool {
	return len(p.model.select_(func(c *modelClaim) bool { return c.conn == conn && c.blocked && c.tag == 0 })) > 0
}

func (m *model) byToken(token wire.Token) *modelClaim {
	for _, c := range m.claims {
		if c.token == token {
			return c
		}
	}
	return nil
}

func (p *pair) fatal(t *testing.T, err error) {
	var b strings.Builder
	for _, o := range p.history[max(0, len(p.history)-40):] {
		fmt.Fprintln(&b, o)
	}
	t.Fatalf("slice %d keep %v: after %d steps: %v; the last of them:\n%s", p.table.cfg.Slice, p.table.cfg.KeepOnClose, len(p.history), err, &b)
}

func TestTableDoesWhatTheModelDoes(t *testing.T) {
	seed := faultnet.Seed(t)
	least := faultnet.Count(t, "BERTH_TABLE_STEPS", defaultSteps)
	rng := rand.New(rand.NewPCG(seed, 0))
	steps := 0
	for steps < least {
		cfg := Config{MaxKeys: rng.IntN(4), MaxWaiters: rng.IntN(4), KeepOnClose: rng.IntN(2) == 0, Slice: rng.IntN(4)}
		if rng.IntN(4) == 0 {
			cfg.Grace = time.Duration(rng.IntN(30))
		}
		if rng.IntN(3) == 0 {
			cfg.MaxPlaces, cfg.MaxSlots = 1+rng.IntN(3), 1+rng.IntN(5)
		}
		if rng.IntN(3) == 0 { // lines are longer then
			cfg.MaxWaiters = 0
		}
		p := newPair(cfg, 1+rng.IntN(6))
		if n := rng.IntN(4); n > 0 {
			p.ownLimits(n == 1)
		}
		p.stops, p.paced = rng.IntN(3) == 0, rng.IntN(2) == 0
		p.model.paced = p.paced
		keys := 1 + rng.IntN(3)
		for range 500 {
			if err := p.step(p.randomOp(rng, keys)); err != nil {
				p.fatal(t, err)
			}
			if steps++; steps%16 == 0 {
				if err := p.compareAll(); err != nil {
					p.fatal(t, err)
				}
			}
		}
		if err := p.step(op{verb: opDrain}); err != nil {
			p.fatal(t, err)
		}
		for range 20 {
			steps++
			if err := p.step(p.randomOp(rng, keys)); err != nil {
				p.fatal(t, err)
			}
		}
		if err := p.clearAll(); err != nil {
			p.fatal(t, err)
		}
	}
	require.GreaterOrEqual(t, steps, least)
	counts.Report(t, counts.Of{"steps": steps})
}

// alphabet is what two connections can do to one key, in small.
func alphabet() (ops []op) {
	for conn := range 2 {
		o := func(v verb, timeout, pass time.Duration) {
			ops = append(ops, op{verb: v, conn: conn, key: "a", limit: 1, lease: 2, timeout: timeout, pass: pass})
		}
		o(opAcquire, 0, 0)
		o(opAcquire, 2, 0)
		o(opEnqueue, 0, 0)
		o(opWait, 0, 0)
		o(opWait, 1, 0)
		o(opRelease, 0, 0)
		o(opClose, 0, 0)
	}
	return append(ops, op{verb: opClear, key: "a"}, op{verb: opRenew, key: "a", lease: 3}, op{verb: opPass, key: "a", pass: 1}, op{verb: opPass, key: "a", pass: 2})
}

func TestEveryShortHistoryDoesWhatTheModelDoes(t *testing.T) {
	ops := alphabet()
	depth, histories := 4, 0
	if testing.Short() {
		depth = 3
	}
	index := make([]int, depth)
	for {
		p := newPair(Config{Slice: 1}, 2)
		for _, i := range index {
			o := ops[i]
			if n := len(p.tokens); n > 0 {
				o.token = p.tokens[n-1]
			}
			if p.held(o.conn) && o.verb != opClose && o.verb != opClear {
				o.verb = opPass
			}
			if err := p.step(o); err != nil {
				p.fatal(t, err)
			}
		}
		if err := p.clearAll(); err != nil {
			p.fatal(t, err)
		}
		histories++
		i := 0
		for ; i < depth; i++ {
			if index[i]++; index[i] < len(ops) {
				break
			}
			index[i] = 0
		}
		if i == depth {
			break
		}
	}
	require.Equal(t, int(math.Pow(float64(len(ops)), float64(depth))), histories)
	counts.Report(t, counts.Of{"histories": histories})
}
