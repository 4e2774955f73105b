package locktable

import "math"

// This file has keys whose claims have different limits.
//
// A claim brings its limit, and the promise is the claim's own: while a slot that
// was claimed with limit n is held, at most n slots of its key are held, its own
// included. So a claim is granted if and only if its rank among the live claims,
// which wait or hold, in the order of the line is at most the smallest limit up to
// and including its own. Grants follow the line, so those before the first who
// waits are the holders, and the rule can be looked up: he is granted a slot if
// fewer are held than his limit, and than that of each holder. Once that is true
// it stays so, whoever comes and goes.
//
// Two things are different from keys with one limit. A slot that is free for a new
// claim may have to wait for an old one with a smaller limit. And whoever leaves the
// line may have been what the others wait for.
//
// The claims of connections that do not bring their own limits, as those of official
// clients, must agree: one with another limit than theirs is refused.

// A mixture is what a lock has while its live claims have more than one limit.
//
// Invariant: it has a share for each limit of a live claim, and no other, two at
// least.
type mixture struct {
	agreed int64             // the limit of those that must agree, if there are any
	old    *share            // of the claims that are older than the mixture
	young  map[*claim]*share // of each other live claim
	shares map[int64]*share  // by limit
	held   []*share          // those with holders, a heap, the smallest limit first
	looks  int               // comparisons in the heap, for a test
}

// A share is what the claims of one limit have of a lock.
type share struct {
	limit      int64
	live, held int64
	heap       int // index in mixture.held, while held is not 0
}

// admit counts a new claim with this limit among the live claims of l.
func (t *Table) admit(l *lock, cl *claim, limit int64) {
	if l.mixed == nil && limit != l.limit {
		l.mixed = newMixture(l)
		t.mixed++
		t.count.Mixtures++
	}
	if l.mixed != nil {
		l.mixed.add(cl, limit)
	}
	if !cl.origin.has(ownLimits) {
		if l.mixed != nil {
			l.mixed.agreed = limit
		}
		l.agreeing++
	}
}

// dismiss is for a claim that is live no more.
func (t *Table) dismiss(cl *claim) {
	l := cl.lock
	if !cl.origin.has(ownLimits) {
		l.agreeing--
	}
	if l.mixed == nil {
		return
	}
	if only := l.mixed.remove(cl); only != nil {
		l.mixed, l.limit = nil, only.limit
		t.mixed--
	}
}

// mismatch reports whether a claim of c with this limit is refused.
func (l *lock) mismatch(c *Conn, limit int64) bool {
	agreed := l.limit
	if l.mixed != nil {
		agreed = l.mixed.agreed
	}
	return limit != agreed && l.agreeing > 0 && !c.OwnLimits
}

// limitOf returns the limit of a live claim.
func (l *lock) limitOf(cl *claim) int64 {
	if l.mixed != nil {
		return l.mixed.share(cl).limit
	}
	return l.limit
}

// room reports whether a claim with this limit that is the next in line may be
// granted.
func (l *lock) room(limit int64) bool { return l.held < min(limit, l.most()) }

// most returns how many may be held now: the smallest limit of the holders.
func (l *lock) most() int64 {
	if l.mixed != nil {
		return l.mixed.least()
	}
	return l.limit
}

// next returns the limit that the next grant is judged by.
func (l *lock) next() int64 {
	if l.head == nil {
		return l.most()
	}
	return min(l.most(), l.limitOf(l.head))
}

func newMixture(l *lock) *mixture {
	old := &share{limit: l.limit, live: int64(l.line.len), held: l.held}
	m := &mixture{agreed: l.limit, old: old, young: map[*claim]*share{}, shares: map[int64]*share{l.limit: old}}
	if old.held > 0 {
		m.held = append(m.held, old)
	}
	return m
}

// least returns the smallest limit of a holder.
func (m *mixture) least() int64 {
	if len(m.held) == 0 {
		return math.MaxInt64
	}
	return m.held[0].limit
}

func (m *mixture) share(cl *claim) *share {
	if s := m.young[cl]; s != nil {
		return s
	}
	return m.old
}

func (m *mixture) add(cl *claim, limit int64) {
	s := m.shares[limit]
	if s == nil {
		s = &share{limit: limit}
		m.shares[limit] = s
	}
	m.young[cl] = s
	s.live++
}

// remove returns the last share, if there is only one left.
func (m *mixture) remove(cl *claim) (only *share) {
	s := m.share(cl)
	delete(m.young, cl)
	if s.live--; s.live == 0 {
		delete(m.shares, s.limit)
	}
	if len(m.shares) > 1 {
		return nil
	}
	for _, only = range m.shares {
	}
	return only
}

// hold notes that cl holds a slot from now on.
func (m *mixture) hold(cl *claim) {
	s := m.share(cl)
	if s.held++; s.held == 1 {
		s.heap = len(m.held)
		m.held = append(m.held, s)
		m.up(s.heap)
	}
}

// unhold notes that it does no more.
func (m *mixture) unhold(cl *claim) {
	s := m.share(cl)
	if s.held--; s.held > 0 {
		return
	}
	i, last := s.heap, len(m.held)-1
	m.swap(i, last)
	m.held[last] = nil
	m.held = m.held[:last]
	if i < last {
		m.down(i)
		m.up(i)
	}
}

func (m *mixture) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !m.less(i, parent) {
			return
		}
		m.swap(i, parent)
		i = parent
	}
}

func (m *mixture) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.held) {
			return
		}
		if right := child + 1; right < len(m.held) && m.less(right, child) {
			child = right
		}
		if !m.less(child, i) {
			return
		}
		m.swap(i, child)
		i = child
	}
}

func (m *mixture) less(i, j int) bool {
	m.looks++
	return m.held[i].limit < m.held[j].limit
}

func (m *mixture) swap(i, j int) {
	m.held[i], m.held[j] = m.held[j], m.held[i]
	m.held[i].heap, m.held[j].heap = i, j
}
