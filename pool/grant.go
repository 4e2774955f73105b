package pool

import (
	"time"
)

// nextUnderSlot is next for a pool with slots: w returns with a job and with the
// slot for it in w.hold.
func (p *Pool) nextUnderSlot(w *worker) (item, bool) {
	looked := false
	p.lock()
	for {
		if it, ok := p.serveGrant(w); ok {
			return it, true // unlocked
		}
		if it, ok := p.reuse(w); ok {
			return it, true // unlocked
		}
		if h := w.hold; h != nil {
			if !looked && p.grants.n == 0 && h.group.n == 0 && p.mayReuse(h) && !h.over() {
				looked = true
				p.yield() // a submitter may be about to bring its next job
				continue
			}
			w.hold = nil
			p.disown(h)
			p.unlock()
			h.release()
			p.lock()
			continue
		}
		p.noteIdle()
		if len(p.workers) <= p.target {
			if g := p.nextGroup(); g != nil {
				if p.mayJoin(g) {
					p.join(g)
					continue
				}
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
		if time.Since(h.granted) > freshGrant {
			p.watch(h)
		}
		h.group.claims--
		if h.group.n == 0 || h.over() {
			p.giveBack(h)
			continue
		}
		if w.hold != nil { // that one goes back first, while nothing depends on this worker
			h.group.claims++
			p.grants.pushFront(h)
			return item{}, false
		}
		return p.bind(w, h), true
	}
	return item{}, false
}

// reuse takes the next job for the slot that w has, while that is young and no
// grant waits for a worker. It is called with mu held, and unlocks it if it
// returns true.
func (p *Pool) reuse(w *worker) (item, bool) {
	h := w.hold
	if h == nil || h.group.n == 0 || !p.mayReuse(h) {
		return item{}, false
	}
	p.watch(h)
	if h.over() || h.group.n == 0 || p.grants.n > 0 {
		return item{}, false
	}
	h.jobs++
	p.reused++
	return p.bind(w, h), true
}

// bind gives w a slot and the next job of its group. It is called with mu held,
// and unlocks it.
func (p *Pool) bind(w *worker, h *hold) item {
	it := p.takeFor(w, h.group)
	w.hold = h
	if h.w == nil {
		h.w = w
	}
	h.busy.Store(true)
	p.wantClaim(h.group)
	p.calling = false
	if p.grants.n > 0 || p.wanting.n > 0 {
		p.callWorker()
	}
	p.unlock()
	return it
}

// giveBack releases a grant that serves nobody. It is called with mu held, and
// returns with mu held.
func (p *Pool) giveBack(h *hold) {
	p.wantClaim(h.group)
	p.disown(h)
	p.unlock()
	h.release()
	p.lock()
}

// mayReuse reports whether a slot may serve another job; the caller holds
// mu.
func (p *Pool) mayReuse(h *hold) bool {
	return !h.single && p.cfg.reuse > 0 && time.Since(h.granted) < p.cfg.reuse && len(p.workers) <= p.target
}

// watch has the pool told when a slot is lost. It is called with mu held, which
// it lets go of meanwhile: a source is not called under mu.
func (p *Pool) watch(h *hold) {
	if h.watching.Load() == nil {
		p.unlock()
		h.context()
		p.lock()
	}
}

// freshGrant is for how long a grant that waits for a worker is taken to be
// held without a look: a worker is there much sooner, or not for a while.
const freshGrant = 10 * time.Millisecond

// patience is how long a grant waits for a worker.
func (p *Pool) patience() time.Duration {
	if p.cfg.reuse > 0 {
		return p.cfg.reuse
	}
	return defaultReuse
}

// offer puts a grant where the next free worker finds it; the caller holds mu,
// and calls a worker.
func (p *Pool) offer(h *hold) {
	p.grants.push(h)
	if !p.withdraws {
		p.withdrawLater(h)
	}
}

// withdrawLater has grants withdrawn once h, the oldest, has waited for too
// long; the caller holds mu.
func (p *Pool) withdrawLater(h *hold) {
	p.withdraws = true
	p.delay(&delayed{at: h.granted.Add(p.patience()), then: p.withdrawUnused})
}

// withdrawUnused gives back the grants that have found no worker in time. It is
// called with mu held.
func (p *Pool) withdrawUnused() {
	p.withdraws = false
	for p.grants.n > 0 {
		h := p.grants.first()
		if time.Since(h.granted) < p.patience() {
			p.withdrawLater(h)
			return
		}
		p.grants.pop()
		p.withdraw(h)
	}
}

// withdraw gives back a grant that nobody used. Its group is the first to claim
// again. It is called with mu held.
func (p *Pool) withdraw(h *hold) {
	g := h.group
	g.claims--
	if !g.listed && p.needsClaim(g) {
		g.listed = true
		p.wanting.pushFront(g)
	}
	p.disown(h)
	p.unneeded++
	p.returning.Go(h.release) // not under mu
}
