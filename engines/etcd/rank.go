package etcd

// A place is one claim in a line, as etcd has it.
type place struct {
	id      string // its key in etcd
	limit   int    // what it was claimed with
	created int64  // the revision at which it joined the line
	lease   int64  // on which it hangs
	changed bool   // it was put again since it was created
}

// before reports whether p is in front of q. The claims of one transaction share a
// revision; their keys decide.
func (p place) before(q place) bool {
	if p.created != q.created {
		return p.created < q.created
	}
	return p.id < q.id
}

// admitted returns how many claims at the front of a line hold slots.
//
// The rule: a claim is granted if and only if its rank in the line is at most the
// smallest limit up to and including its own. So while a slot claimed with limit n
// is held, at most n slots are held, and nobody barges past a head that wants the
// line to be shorter. Ranks only fall and the limits in front only go: what was
// true once stays true, so an old picture of the line is safe to judge from.
func admitted(line []place) int {
	smallest := 0
	for i, p := range line {
		if i == 0 || p.limit < smallest {
			smallest = p.limit
		}
		if i+1 > smallest {
			return i
		}
	}
	return len(line)
}

// A tail is what the next claim of a line has to know of those in front of it.
type tail struct {
	ahead    int // how many there are
	smallest int // their smallest limit; 0: there are none
	paused   bool
}

// waiting returns how many of them wait: as many as have slots less, and at most so
// many where their limits differ.
func (t tail) waiting() int { return t.ahead - min(t.ahead, t.smallest) }

// join returns the tail behind one more claim, and whether that claim is granted.
func (t tail) join(limit int) (next tail, granted bool) {
	next = tail{ahead: t.ahead + 1, smallest: limit, paused: t.paused}
	if t.smallest > 0 {
		next.smallest = min(t.smallest, limit)
	}
	return next, !t.paused && next.ahead <= next.smallest
}
