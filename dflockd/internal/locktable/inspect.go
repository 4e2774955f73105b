package locktable

import "time"

// KeyState is who holds slots of a key and who waits for one.
type KeyState struct {
	Held, Waiting int
	Paused        time.Duration // for how long nothing is granted
	// Holders are in the order of their grants, Waiters in that of the line.
	Holders, Waiters []ClaimInfo
}

// ClaimInfo describes a claim that holds a slot or waits.
type ClaimInfo struct {
	// Name is what its connection called itself when the claim was made.
	Name  string
	Limit int64
	// Since is how long it has held its slot, or waited.
	Since time.Duration
	// Fence is the half of a holder's token that is no secret, and Left what is
	// left of its lease.
	Fence uint64
	Left  time.Duration
}

// Inspect returns the state of a key. It lists at most so many of those who hold,
// and of those who wait, as limit says.
func (t *Table) Inspect(now time.Duration, key []byte, limit int) KeyState {
	t.begin(now)
	s := KeyState{Paused: t.pausedFor(string(key))}
	l := t.keys.get(key)
	if l == nil {
		return s
	}
	s.Held, s.Waiting = int(l.held), l.waiting()
	s.Holders = make([]ClaimInfo, 0, min(s.Held, limit))
	for cl := l.line.first; cl != l.head && len(s.Holders) < limit; cl = cl.lineNext {
		info := t.describe(cl)
		info.Fence, info.Left = cl.token.Fence(), cl.due-t.now
		s.Holders = append(s.Holders, info)
	}
	s.Waiters = make([]ClaimInfo, 0, min(s.Waiting, limit))
	for cl := l.head; cl != nil && len(s.Waiters) < limit; cl = cl.lineNext {
		s.Waiters = append(s.Waiters, t.describe(cl))
	}
	return s
}

func (t *Table) describe(cl *claim) ClaimInfo {
	return ClaimInfo{Name: t.nameOf(cl), Limit: cl.lock.limitOf(cl), Since: t.now - cl.since}
}

// nameOf returns the name of a claim's connection, which may be gone.
func (t *Table) nameOf(cl *claim) string {
	if cl.conn != nil {
		return cl.conn.Name
	}
	return t.orphans[cl]
}
