package pool

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

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

	busy     atomic.Bool // a job runs under it
	reported atomic.Bool // as overrun

	// watching is there once somebody needs to know when the slot is lost: most
	// jobs are over before anyone does, and a slot's context costs allocations.
	watching atomic.Pointer[watch]
	mu       sync.Mutex // held while watching is made
	losing   sync.Once  // tells of the loss

	w    *worker                 // whose slot it is, once it has served a job
	live atomic.Pointer[liveCtx] // see holdCtx
}

// A watch over a slot's context.
type watch struct {
	ctx  context.Context
	stop func() bool
}

// newHold wraps a slot. It is called without mu, since it asks the source.
func (p *Pool) newHold(g *group, s slot.Slot, claimed time.Time) (*hold, error) {
	h := &hold{p: p, group: g, claimed: claimed}
	if err := h.receive(s); err != nil {
		return nil, err
	}
	return h, nil
}

// receive takes the slot over from its source, which may fail to tell of it: then
// it gets the slot back. It is called without mu.
func (h *hold) receive(s slot.Slot) (err error) {
	if s == nil {
		return errors.New("pool: the slot source granted no slot")
	}
	returned := false
	defer guard(&returned, func(failure error) { err = errors.Join(failure, h.giveBack()) })
	h.slot, h.granted = s, time.Now()
	h.single = s.Info().SingleUse || h.p.cfg.reuse == 0
	if h.p.hooks != nil {
		h.context()
	}
	returned = true
	return nil
}

// adopt counts a slot as the pool's; the caller holds mu. Its group stays until
// the slot is gone, so that jobs which come meanwhile find the slot.
func (p *Pool) adopt(h *hold) {
	h.group.holds++
	if p.held++; p.held == 1 {
		p.sweepLater()
	}
}

// disown is the opposite of adopt; the caller holds mu, and then gives the slot
// back without it.
func (p *Pool) disown(h *hold) {
	p.held--
	h.group.holds--
	p.retireGroup(h.group)
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
	w := &watch{ctx: h.slotContext()}
	w.stop = context.AfterFunc(w.ctx, h.ended)
	h.watching.Store(w)
	return w.ctx
}

// slotContext asks the source. A slot without a context is as good as lost.
func (h *hold) slotContext() (ctx context.Context) {
	contained(func() {
		returned := false
		defer guard(&returned, func(failure error) {
			var end context.CancelCauseFunc
			ctx, end = context.WithCancelCause(context.Background())
			end(errors.Join(slot.ErrLost, failure))
		})
		ctx = h.slot.Context()
		returned = true
	})
	return ctx
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
	err := errSourceGoexit
	defer func() { h.released(err) }()
	err = h.giveBack()
}

// released takes note of what the source said to a release.
func (h *hold) released(err error) {
	if errors.Is(err, slot.ErrLost) {
		h.noteLoss(err)
		if h.succeeded.Load() {
			h.p.others.lostButOK.Add(1)
		}
	}
	(*holdCtx)(h).end()
	if h.p.hooks != nil {
		h.p.hooks.released(SlotEvent{Key: h.group.key, Claimed: h.claimed, Slot: h.slot, Err: err})
	}
}

// giveBack releases the slot.
func (h *hold) giveBack() (err error) {
	returned := false
	defer guard(&returned, func(failure error) { err = failure })
	err = h.slot.Release()
	returned = true
	return err
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
