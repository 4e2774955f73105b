package pool

// watchOverrun looks again after the grace whether the attempt that runs now,
// whose context has ended, has returned. It looks once for each attempt.
func (p *Pool) watchOverrun(t *Task) {
	run := t.word.Load()
	if stateOf(run) != stateRunning || t.ensureSetting().watch.Swap(run) == run {
		return
	}
	p.afterGrace(func() {
		if t.word.Load() == run {
			p.overran(t.hold(), t)
		}
	})
}

// watchHold does the same for the job that runs under a slot that was lost.
func (p *Pool) watchHold(h *hold) {
	p.afterGrace(func() {
		if h.busy.Load() {
			p.overran(h, nil)
		}
	})
}

func (p *Pool) afterGrace(f func()) {
	p.lock()
	defer p.unlock()
	p.in(p.cfg.grace, func() { p.spawn(f) }) // a hook may take its time
}

// overran reports a job that ignores its context, and lets its slot go: it is
// renewed no more and free when its lease ends. Until then the job still runs
// under it, so it is not released.
func (p *Pool) overran(h *hold, t *Task) {
	if h != nil {
		if h.reported.Swap(true) {
			return
		}
		h.abandon()
	}
	p.overruns.Add(1)
	if p.hooks != nil {
		p.hooks.overrun(h, t)
	}
}
