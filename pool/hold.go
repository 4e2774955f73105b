package pool

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berth-go/berth/pool/internal/sched"
	"github.com/berth-go/berth/slot"
)

type claim = sched.Claim[item]

// A hold is what the pool has of a claim, from the moment that it asks the source
// until the slot is given back. Its states are those of the claim, which are drawn
// in package sched.
type hold struct {
	p       *Pool
	claim   *claim
	key     string // the slot key
	limit   int    // of that as the slot was granted, if it is known
	claimed time.Time

	mu      sync.Mutex // guards what follows; nothing is called while it is held
	place   slot.Place // where it waits in line, once that is known
	leaving bool       // no job needs it any more
	told    bool       // it is known what has become of it

	err error // why it was refused; written before the core is told

	// What follows is there once the slot is granted.
	slot      slot.Slot
	granted   time.Time     // when the pool had the slot
	single    bool          // it serves one job only
	startBy   time.Duration // when its job must have started; 0: at any time
	ahead     int           // claims that were in line in front; -1 where that is not known
	looked    time.Duration // when it was looked whether it is outdated; 0: not yet; its worker's own
	reused    bool          // it has served a job before the one that runs; its worker's own
	succeeded atomic.Bool   // the last job did, and nobody looked whether the slot was lost
	busy      atomic.Bool   // a worker has it
	reported  atomic.Bool   // as overrun

	// watching is there once somebody needs to know when the slot is lost: most
	// jobs are over before anyone does, and a slot's context costs allocations.
	watching atomic.Pointer[watch]
	watchMu  sync.Mutex // held while watching is made
	losing   sync.Once  // tells of the loss
}

// A watch over a slot's context.
type watch struct {
	ctx  context.Context
	stop func() bool
}

// newHold begins what the pool has of a claim; the caller holds mu.
func (p *Pool) newHold(cl *claim) {
	cl.Owner = &hold{p: p, claim: cl, key: cl.Slot(), claimed: time.Now(), ahead: -1}
}

func holdOf(cl *claim) *hold { return cl.Owner.(*hold) }

// receive takes the slot over from its source, which may fail to tell of it: then
// it gets the slot back. It is called without mu.
func (h *hold) receive(s slot.Slot) (err error) {
	if s == nil {
		return errors.New("pool: the slot source granted no slot")
	}
	returned := false
	defer guard(&returned, func(failure error) { err = errors.Join(failure, h.giveBack()) })
	h.slot, h.granted = s, time.Now()
	h.limit = h.p.limitOf(h.key)
	info := s.Info()
	h.single = info.SingleUse || h.p.cfg.reuse == 0
	if !info.StartBy.IsZero() {
		h.startBy = max(1, h.p.now()+time.Until(info.StartBy))
	}
	if n, ok := slot.Ahead(h.standsAt()); ok {
		h.ahead = n
	}
	if h.p.hooks != nil {
		h.context()
	}
	returned = true
	return nil
}

// check sees to it that the core is told when the slot is lost, and tells it if it
// was before. A slot whose key is paused, or has another limit by now, serves no
// further job either.
func (h *hold) check() {
	h.context()
	h.looked = h.p.now()
	if h.over() || h.isOutdated() {
		h.tellLost()
	}
}

// lookEvery is how often it is looked whether a slot that is kept is outdated:
// sources hear of a pause by renewals, which are not so frequent.
const lookEvery = 10 * time.Millisecond

// isSpent reports whether the slot must serve no further job, at about now.
func (h *hold) isSpent(now time.Duration) bool {
	if h.over() {
		return true
	}
	if h.looked == 0 || now-h.looked < lookEvery {
		return false
	}
	h.looked = now
	return h.isOutdated()
}

// isOutdated reports whether the key of the slot is paused or has another limit
// than when the slot was granted. (The limit in the slot's Info can differ from the
// key's all the time: that of a fallback's local slots does.) A source that fails
// to tell is taken to say so.
func (h *hold) isOutdated() (outdated bool) {
	contained(func() {
		returned := false
		defer guard(&returned, func(error) { outdated = true })
		outdated = h.slot.Info().PausedUntil.After(time.Now()) || h.p.limitOf(h.key) != h.limit
		returned = true
	})
	return outdated
}

// tellLost tells the core that the slot must serve no further job.
func (h *hold) tellLost() {
	h.p.lock()
	h.p.core.Lost(h.p.now(), h.claim)
	h.p.unlock()
}

// context returns the slot's context, and from then on the pool is told at once
// when the slot is lost.
func (h *hold) context() context.Context {
	if w := h.watching.Load(); w != nil {
		return w.ctx
	}
	h.watchMu.Lock()
	defer h.watchMu.Unlock()
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
	h.tellLost()
}

// note keeps how a job has ended, in case its slot turns out to be lost.
func (h *hold) note(err error) { h.succeeded.Store(err == nil && h.watching.Load() == nil) }

// noteLoss tells of the loss once, and before the release is told of.
func (h *hold) noteLoss(err error) {
	h.losing.Do(func() {
		h.p.lost.Add(1)
		if h.p.hooks != nil {
			h.p.hooks.lost(SlotEvent{Key: h.key, Claimed: h.claimed, Slot: h.slot, Err: err})
		}
		if h.busy.Load() {
			h.p.watchHold(h)
		}
	})
}

// release gives the slot back. It is called without mu.
func (h *hold) release() {
	h.busy.Store(false)
	if w := h.watching.Load(); w != nil && !w.stop() && h.lost() {
		h.noteLoss(slot.ErrLost)
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
	if h.p.hooks != nil {
		h.p.hooks.released(SlotEvent{Key: h.key, Claimed: h.claimed, Slot: h.slot, Err: err})
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

// abandon leaves the slot to its lease, if its source can do that.
func (h *hold) abandon() {
	if a, ok := h.slot.(slot.Abandoner); ok {
		contained(func() {
			defer h.p.caught()
			a.Abandon()
		})
	}
}

// sweepLater looks after a while whether some slot is held for long that nobody
// watches yet: a job that runs for long is told of as overrun also if it never
// asks for its context. The caller holds mu.
func (p *Pool) sweepLater() {
	if !p.sweeping {
		p.sweeping = true
		p.in(p.cfg.grace/4, p.sweep)
	}
}

func (p *Pool) sweep() {
	p.lock()
	var unwatched []*hold
	for _, w := range p.workers {
		if w != nil && w.hold != nil && w.hold.watching.Load() == nil {
			unwatched = append(unwatched, w.hold)
		}
	}
	if p.sweeping = false; p.core.Held() > 0 {
		p.sweepLater()
	}
	p.unlock()
	for _, h := range unwatched {
		h.context()
	}
}
