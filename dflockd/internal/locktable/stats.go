package locktable

import "time"

// KeyInfo describes one key.
type KeyInfo struct {
	Key string
	// Limit is that of all claims, or else what the next grant is judged by: the
	// smallest one of those who hold and of the first in line.
	Limit   int64
	Mixed   bool // claims have different limits
	Holders int64
	Waiters int
	// Owner and Left are of the holder, where all have the limit 1 and it is held.
	// Owner is 0 if the holder's connection is gone.
	Owner uint64
	Left  time.Duration
}

// Totals counts what the table holds.
type Totals struct {
	Keys, Held, Waiting, Places int
	Mixed                       int // keys whose claims have different limits
	Counters
	// Waits is how long claims that were granted had waited, Holds how long
	// slots that ended had been held.
	Waits, Holds Histogram
}

// Totals returns what the table holds now, and what has happened.
func (t *Table) Totals() Totals {
	return Totals{
		Keys: t.keys.len, Held: t.tokens.len, Waiting: t.waiting, Places: t.places, Mixed: t.mixed, Counters: t.count,
		Waits: t.waits, Holds: t.holds,
	}
}

// Frozen reports whether nothing is granted: in the grace after the start, and
// in a drain.
func (t *Table) Frozen() bool { return t.frozen }

// Keys appends the state of at most limit keys to dst, in no order.
func (t *Table) Keys(now time.Duration, dst []KeyInfo, limit int) []KeyInfo {
	t.Advance(now)
	t.keys.each(func(l *lock) bool {
		if limit--; limit < 0 {
			return false
		}
		info := KeyInfo{Key: l.key, Limit: l.next(), Mixed: l.mixed != nil, Holders: l.held, Waiters: l.waiting()}
		if holder := l.line.first; info.Limit == 1 && !info.Mixed && l.held > 0 {
			info.Left = holder.due - t.now
			if holder.conn != nil && !holder.conn.closed {
				info.Owner = holder.conn.ID
			}
		}
		dst = append(dst, info)
		return true
	})
	return dst
}
