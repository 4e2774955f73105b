package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/berth-go/berth/slot"
)

// A hold is a slot that the pool has been granted.
//
//	claim ──► granted, waits for a worker ──► serves a job ──► released
//	                     │                     ▲       │
//	                     └── nobody needs it   └reused─┘
type hold struct {
	p         *Pool
	group     *group
	slot      slot.Slot
	claimed   time.Time   // when the claim began
	granted   time.Time   // when the pool had the slot
	single    bool        // it serves one job only
	jobs      int         // that it has served before the one that runs; its worker's own
	succeeded atomic.Bool // the last job did, and nobody looked whether the slot was lost
	patience  *time.Timer // runs while it waits for a worker; guarded by the pool's mu

	busy     atomic.Bool // a job runs under it
	reported atomic.Bool // as overrun

	// watching is there once somebody needs to know when the slot is lost: most
	// jobs are over before anyone does, and a slot's context costs allocations.
	watching atomic.Pointer[watch]
	mu       sync.Mutex // held while watching and own are made
	losing   sync.Once  // tells of the loss

	own *holdCtx // the context of jobs without a task, made when one needs it
}

// A watch over a slot's context.
type watch struct {
	ctx  context.Context
	stop func() bool
}

// context returns the slot's context, and from then on the pool is told at once
// when the slot is lost.
func (h *hold) context() context.Context {
	if w := h.watching.Load(); w != nil {
		return w.ctx
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.watching.Load(); w != nil {
		return w.ctx
	}
	w := &watch{ctx: h.slot.Context()}
	w.stop = context.AfterFunc(w.ctx, h.ended)
	h.watching.Store(w)
	return w.ctx
}

// over reports whether the slot's context is known to have ended.
func (h *hold) over() bool {
	w := h.watching.Load()
	return w != nil && w.ctx.Err() != nil
}

// lost reports whether the slot is known to have been lost.
func (h *hold) lost() bool {
	w := h.watching.Load()
	return w != nil && errors.Is(context.Cause(w.ctx), slot.ErrLost)
}

// A parked claim is in line. A goroutine waits with it, and no worker.
type parked struct {
	ticket slot.Ticket
	cancel context.CancelCauseFunc
}

// errUnneeded ends the wait of a claim that no job needs any more.
var errUnneeded = errors.New("pool: no job needs the slot any more")

// nextUnderSlot is next for a pool with slots: w returns with a job and with the
// slot for it in w.hold.
func (p *Pool) nextUnderSlot(w *worker) (item, bool) {
	p.lock()
	for {
		if it, ok := p.serveGrant(w); ok {
			return it, true // unlocked
		}
		if it, ok := p.reuse(w); ok {
			return it, true // unlocked
		}
		if h := w.hold; h != nil {
			w.hold = nil
			p.held--
			p.unlock()
			h.release()
			p.lock()
			continue
		}
		p.noteIdle()
		if len(p.workers) <= p.target {
			if g := p.nextGroup(); g != nil {
				if it, ok := p.claimFor(w, g); ok {
					return it, true // unlocked
				}
				continue
			}
		}
		if p.mustEnd(w) {
			p.leave()
			return item{}, false
		}
		p.rest(w)
	}
}

// serveGrant gives w the grant that has waited longest, and the most urgent job
// for it: jobs are bound here, when the slot is there, and not before. It is
// called with mu held, and unlocks it if it returns true.
func (p *Pool) serveGrant(w *worker) (item, bool) {
	for p.grants.n > 0 {
		h := p.grants.pop()
		h.patience.Stop()
		h.group.claims--
		if h.group.n == 0 || h.over() {
			p.giveBack(h)
			continue
		}
		if old := w.hold; old != nil {
			w.hold = nil
			p.held--
			defer old.release()
		}
		return p.bind(w, h), true
	}
	return item{}, false
}

// giveBack releases a grant that serves nobody. It is called with mu held, and
// returns with mu held.
func (p *Pool) giveBack(h *hold) {
	p.held--
	p.wantClaim(h.group)
	p.retireGroup(h.group)
	p.unlock()
	h.release()
	p.lock()
}

// bind gives w a slot and the next job of its group. It is called with mu held,
// and unlocks it.
func (p *Pool) bind(w *worker, h *hold) item {
	it := p.takeFrom(h.group)
	w.hold = h
	h.busy.Store(true)
	p.wantClaim(h.group)
	p.calling = false
	if p.grants.n > 0 || p.wanting.n > 0 {
		p.callWorker()
	}
	p.unlock()
	return it
}

// reuse takes the next job for the slot that w has, while that is young and no
// grant waits for a worker. It is called with mu held, and unlocks it if it
// returns true.
func (p *Pool) reuse(w *worker) (item, bool) {
	h := w.hold
	if h == nil || h.group.n == 0 || h.single || p.cfg.reuse == 0 {
		return item{}, false
	}
	if time.Since(h.granted) >= p.cfg.reuse || len(p.workers) > p.target {
		return item{}, false
	}
	if h.watching.Load() == nil { // a source is not called under mu
		p.unlock()
		h.context()
		p.lock()
	}
	if h.over() || h.group.n == 0 || p.grants.n > 0 {
		return item{}, false
	}
	h.jobs++
	p.reused++
	return p.bind(w, h), true
}

// wantClaim lists a group for which another slot should be claimed; the caller
// holds mu.
func (p *Pool) wantClaim(g *group) {
	if g.listed || !p.needsClaim(g) {
		return
	}
	g.listed = true
	p.wanting.push(g)
}

// needsClaim reports whether a group has a job that no claim is under way for.
// More claims than workers would be granted in vain, and while claims fail one
// at a time tells whether they still do. The caller holds mu.
func (p *Pool) needsClaim(g *group) bool {
	if g.pause != nil || g.asking > 0 && g.down.recent() {
		return false
	}
	return g.n > g.claims && g.claims < p.target
}

// nextGroup returns the group to claim for whose turn it is, or nil; the caller
// holds mu.
func (p *Pool) nextGroup() *group {
	for p.wanting.n > 0 {
		g := p.wanting.pop()
		g.listed = false
		if p.needsClaim(g) {
			return g
		}
		p.retireGroup(g)
	}
	return nil
}

// claimFor claims a slot for g, and returns its first job if the slot is
// granted at once. It is called with mu held, and unlocks it if it returns true.
func (p *Pool) claimFor(w *worker, g *group) (item, bool) {
	g.claims++
	g.asking++
	p.claims++
	queue := p.inLine < p.cfg.maxClaims
	if queue {
		p.inLine++ // reserves the place; given back unless it is queued
	}
	p.wantClaim(g) // for the next worker, if there is a job more
	p.calling = false
	if p.wanting.n > 0 {
		p.callWorker()
	}
	p.unlock()
	c := p.ask(g, queue)
	p.lock()
	g.asking--
	if queue && c.ticket == nil {
		p.inLine--
	}
	switch {
	case c.err != nil:
		p.claimFailed(g, c)
	case c.ticket != nil:
		g.down.answered()
		p.park(g, c)
		p.wantClaim(g)
	case c.slot == nil:
		g.claims--
		p.pauseClaims(g) // none free, and no place in line to be had
	default:
		return p.bindClaimed(w, g, c)
	}
	return item{}, false
}

// bindClaimed is called with mu held, and unlocks it if it returns true.
func (p *Pool) bindClaimed(w *worker, g *group, c claimed) (item, bool) {
	g.down.answered()
	h := c.hold
	p.adopt(h)
	g.claims--
	if g.n == 0 || p.grants.n > 0 {
		// Somebody else's turn, or nobody's: what was granted goes to the first
		// worker that is free, which may be this one.
		g.claims++
		p.offer(h)
		return item{}, false
	}
	return p.bind(w, h), true
}

// claimed is what came of asking for a slot: a slot, a ticket, an error, or
// nothing where only a free one was asked for.
type claimed struct {
	at     time.Time // when it was asked for
	slot   slot.Slot
	hold   *hold // of slot
	ticket slot.Ticket
	err    error
}

// ask makes the first phase of a claim, which is a round trip at most.
func (p *Pool) ask(g *group, queue bool) (c claimed) {
	c.at = time.Now()
	ctx := p.claimCtx
	if p.hooks != nil {
		ctx = p.hooks.enqueue(ctx, SlotEvent{Key: g.key, Claimed: c.at})
	}
	c.slot, c.ticket, c.err = p.enter(ctx, g.key, queue)
	if c.slot != nil {
		c.err = p.newHold(g, &c, false)
	}
	p.tellClaim(g, c)
	return c
}

// enter asks the source, which may panic, for a slot or a place in line.
func (p *Pool) enter(ctx context.Context, key string, queue bool) (s slot.Slot, t slot.Ticket, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, t, err = nil, nil, sourcePanic(r)
		}
	}()
	if !queue {
		s, _, err = slot.Try(ctx, p.src, key)
		return s, nil, err
	}
	t, err = p.src.Enqueue(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	if t == nil {
		return nil, nil, errors.New("pool: the slot source returned neither a ticket nor an error")
	}
	if granted, ok := t.Slot(); ok {
		return granted, nil, nil
	}
	return nil, t, nil
}

func (p *Pool) tellClaim(g *group, c claimed) {
	if p.hooks == nil {
		return
	}
	e := SlotEvent{Key: g.key, Claimed: c.at, Slot: c.slot, Err: c.err}
	switch {
	case c.err != nil:
		p.hooks.failed(e)
	case c.ticket != nil:
		p.hooks.queued(e)
	case c.slot != nil:
		p.hooks.granted(e)
	}
}

// park leaves a ticket with a goroutine; the caller holds mu.
func (p *Pool) park(g *group, c claimed) {
	ctx, cancel := context.WithCancelCause(p.claimCtx)
	pk := &parked{ticket: c.ticket, cancel: cancel}
	g.parked = append(g.parked, pk)
	p.alive.Add(1)
	go p.awaitGrant(ctx, g, pk, c)
	if g.n == 0 {
		p.unpark(g)
	}
}

// awaitGrant makes the second phase of a claim.
func (p *Pool) awaitGrant(ctx context.Context, g *group, pk *parked, c claimed) {
	defer p.alive.Done()
	defer pk.cancel(nil)
	if caught := panics.Try(func() { c.slot, c.err = pk.ticket.Wait(ctx) }); caught != nil {
		c.err = fmt.Errorf("%w: %w", ErrSourcePanic, newPanicError(caught))
	}
	c.ticket = nil
	if c.err == nil && c.slot == nil {
		c.err = errors.New("pool: the slot source returned neither a slot nor an error")
	}
	if c.err == nil {
		c.err = p.newHold(g, &c, true)
	}
	p.tellClaim(g, c)
	p.lock()
	p.inLine--
	for i, other := range g.parked {
		if other == pk {
			g.parked = append(g.parked[:i], g.parked[i+1:]...)
			break
		}
	}
	if c.err != nil {
		p.claimFailed(g, c)
	} else {
		g.down.answered()
		p.adopt(c.hold)
		p.offer(c.hold)
	}
	p.callWorker()
	p.unlock()
}

// unpark gives up the places of a group that has no job any more, unless one
// comes within the time for which a slot may be kept; the caller holds mu.
func (p *Pool) unpark(g *group) {
	if len(g.parked) == 0 || g.lingers {
		return
	}
	g.lingers = true
	p.delay(&delayed{at: time.Now().Add(p.patience()), then: func() {
		g.lingers = false
		if g.n == 0 {
			for _, pk := range g.parked {
				pk.cancel(errUnneeded)
			}
			p.retireGroup(g)
		}
	}})
}

// patience is how long a grant waits for a worker.
func (p *Pool) patience() time.Duration {
	if p.cfg.reuse > 0 {
		return p.cfg.reuse
	}
	return defaultReuse
}

// offer puts a grant where the next free worker finds it; the caller holds mu,
// and calls a worker. One that finds no worker in time goes back, and its group
// is the first to claim again.
func (p *Pool) offer(h *hold) {
	p.grants.push(h)
	h.patience = time.AfterFunc(p.patience(), func() { p.withdraw(h) })
}

func (p *Pool) withdraw(h *hold) {
	p.lock()
	found := false
	p.grants.keep(func(other *hold) bool {
		found = found || other == h
		return other != h
	})
	if !found {
		p.unlock()
		return
	}
	g := h.group
	g.claims--
	if !g.listed && p.needsClaim(g) {
		g.listed = true
		p.wanting.pushFront(g)
	}
	p.retireGroup(g)
	p.held--
	p.unneeded++
	p.returning.Add(1)
	p.unlock()
	h.release()
	p.returning.Done()
}

// newHold wraps a slot. It is called without mu, since it asks the source.
func (p *Pool) newHold(g *group, c *claimed, watched bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.hold, err = nil, sourcePanic(r)
		}
	}()
	h := &hold{p: p, group: g, slot: c.slot, claimed: c.at, granted: time.Now()}
	h.single = c.slot.Info().SingleUse || p.cfg.reuse == 0
	if watched || p.hooks != nil {
		h.context()
	}
	c.hold = h
	return nil
}

// adopt counts a slot as the pool's; the caller holds mu.
func (p *Pool) adopt(h *hold) {
	if p.held++; p.held == 1 {
		p.sweepLater()
	}
}

// ended is called when the slot's context has ended while the pool has it.
func (h *hold) ended() {
	if h.lost() {
		h.noteLoss(slot.ErrLost)
	}
}

// note keeps how a job has ended, in case its slot turns out to be lost.
func (h *hold) note(err error) { h.succeeded.Store(err == nil && h.watching.Load() == nil) }

// noteLoss tells of the loss once, and before the release is told of.
func (h *hold) noteLoss(err error) {
	h.losing.Do(func() {
		h.p.lost.Add(1)
		if h.p.hooks != nil {
			h.p.hooks.lost(SlotEvent{Key: h.group.key, Claimed: h.claimed, Slot: h.slot, Err: err})
		}
		if h.busy.Load() {
			h.p.watchHold(h)
		}
	})
}

// release gives the slot back. It is called without mu.
func (h *hold) release() {
	h.busy.Store(false)
	if w := h.watching.Load(); w != nil && !w.stop() {
		h.ended()
	}
	err := h.giveBack()
	if errors.Is(err, slot.ErrLost) {
		h.noteLoss(err)
		if h.succeeded.Load() {
			h.p.others.lostButOK.Add(1)
		}
	}
	h.mu.Lock()
	own := h.own
	h.mu.Unlock()
	if own != nil {
		own.end()
	}
	if h.p.hooks != nil {
		h.p.hooks.released(SlotEvent{Key: h.group.key, Claimed: h.claimed, Slot: h.slot, Err: err})
	}
}

// giveBack releases the slot, whose source may panic.
func (h *hold) giveBack() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = sourcePanic(r)
		}
	}()
	return h.slot.Release()
}

// sourcePanic is the error of a source that panicked.
func sourcePanic(value any) error {
	r := panics.NewRecovered(2, value)
	return fmt.Errorf("%w: %w", ErrSourcePanic, newPanicError(&r))
}

// sweepLater looks after a while whether some slot is held for long that nobody
// watches yet: a job that runs for long is told of as overrun also if it never
// asks for its context. The caller holds mu.
func (p *Pool) sweepLater() {
	if p.sweeping {
		return
	}
	p.sweeping = true
	p.delay(&delayed{at: time.Now().Add(p.cfg.grace / 4), then: func() {
		p.sweeping = false
		p.sweep()
	}})
}

// sweep is called with mu held.
func (p *Pool) sweep() {
	var unwatched []*hold
	for _, w := range p.workers {
		if h := w.hold; h != nil && h.watching.Load() == nil {
			unwatched = append(unwatched, h)
		}
	}
	if p.held > 0 {
		p.sweepLater()
	}
	if len(unwatched) == 0 {
		return
	}
	p.alive.Add(1)
	go func() { // a source is not called under mu
		defer p.alive.Done()
		for _, h := range unwatched {
			h.context()
		}
	}()
}

// workerContext returns the context of jobs without a task: it ends with the
// slot, and when the pool is shut down by force.
func (h *hold) workerContext(w *worker) context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.own == nil {
		h.own = &holdCtx{h: h, w: w}
	}
	return h.own
}
