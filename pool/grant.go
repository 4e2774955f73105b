package pool

import (
	"time"
)

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

// offer puts a grant where the next free worker finds it; the caller holds mu,
// and calls a worker. One that finds no worker in time goes back, and its group
// is the first to claim again.
func (p *Pool) offer(h *hold) {
	p.grants.push(h)
	h.patience = time.AfterFunc(p.patience(), func() { p.withdraw(h) })
}

// patience is how long a grant waits for a worker.
func (p *Pool) patience() time.Duration {
	if p.cfg.reuse > 0 {
		return p.cfg.reuse
	}
	return defaultReuse
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
