package pool

// largestInbox is how many jobs an inbox takes.
const largestInbox = 256

// An inbox takes in jobs without a key and a priority while workers are on
// their way anyhow, so that those who submit and those who work do not meet at
// the pool's lock for each job. Who takes that lock empties it first: a job in
// the inbox is one in the lane without a key that nobody has looked at yet.
type inbox struct {
	_ cacheLine // so that what submitters write is apart from what workers write
	// mu guards jobs. It may be taken with the pool's mu held, and not the other
	// way round.
	mu   mutex
	jobs []item

	_ cacheLine // and apart from what both read
	// limit is how many jobs it may have: 0 while a job needs more than being
	// put here, such as a worker to be called or a wait for room. It is set
	// with both locks held, and read with either.
	limit int
	_     cacheLine
}

// A cacheLine keeps what is before it and what is after it in different ones.
type cacheLine [64]byte

// put takes a job in, or returns false.
func (b *inbox) put(it item) bool {
	b.mu.Lock()
	ok := len(b.jobs) < b.limit
	if ok {
		b.jobs = append(b.jobs, it)
	}
	b.mu.Unlock()
	return ok
}

// lock takes mu and moves what is in the inbox into its lane.
func (p *Pool) lock() {
	p.mu.Lock()
	if p.src == nil {
		p.inbox.mu.Lock()
		p.emptyInbox()
	}
}

// lockAside is lock for a worker that takes from the lanes. While the lane
// without a key has jobs that go before those in the inbox, that is left to those
// who submit, who then do not meet the worker there.
func (p *Pool) lockAside() {
	p.mu.Lock()
	if p.inbox.limit > 0 && p.plain.n > 0 && p.plain.mostUrgent().priority >= 0 {
		p.aside = true
		return
	}
	p.inbox.mu.Lock()
	p.emptyInbox()
}

// lockOut is lock, and nobody puts anything into the inbox until unlock: bounds
// hold exactly meanwhile.
func (p *Pool) lockOut() {
	p.mu.Lock()
	if p.src == nil {
		p.inbox.mu.Lock()
		p.inbox.limit = 0
		p.emptyInbox()
	}
}

// unlock lets go of mu, opens or closes the inbox, and wakes the worker that
// was picked meanwhile.
func (p *Pool) unlock() {
	if p.src == nil {
		p.openInbox()
	}
	w := p.picked
	p.picked = nil
	p.mu.Unlock()
	if w != nil {
		w.wake <- struct{}{} // never blocks: an idle worker's channel is empty
	}
}

// emptyInbox is called with both locks held, and lets go of the inbox's. The
// inbox gets another buffer: copying is for who works, not for who submits.
func (p *Pool) emptyInbox() {
	b := &p.inbox
	if len(b.jobs) == 0 {
		b.mu.Unlock()
		return
	}
	jobs := b.jobs
	b.jobs = p.spareInbox
	b.mu.Unlock()
	p.submitted += int64(len(jobs))
	first := p.plain.n == 0
	p.add(p.plain, 0, jobs...)
	p.attend(p.plain, 0, first)
	clear(jobs)
	p.spareInbox = jobs[:0]
}

// openInbox sets the inbox's limit by what the pool is up to. What was put in
// under the limit of before and is too much now is dealt with here: nobody else
// might come to do it. The caller holds mu.
func (p *Pool) openInbox() {
	limit := p.inboxLimit()
	b := &p.inbox
	aside := p.aside
	p.aside = false
	if limit == b.limit || aside && limit > b.limit {
		return // one that was left alone may stay lower than it could be
	}
	b.mu.Lock()
	b.limit = limit
	if len(b.jobs) <= limit {
		b.mu.Unlock()
		return
	}
	p.emptyInbox()
	p.callWorker()
}

// inboxLimit returns how many jobs without a key the pool can take without
// doing anything about them; the caller holds mu.
func (p *Pool) inboxLimit() int {
	l := p.plain
	switch {
	case p.closing, p.mayCall():
		return 0
	case p.batches > 0 && (l.batches == 0 || l.batchPriority < 0):
		return 0 // it goes before what workers have taken
	}
	// Nobody waits for room while there is some, so that nobody is overtaken.
	return min(p.cfg.queue-l.n, p.cfg.queueTotal-p.queued, largestInbox)
}
