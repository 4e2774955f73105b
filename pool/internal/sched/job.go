package sched

// A Job is what is queued. The core never looks inside.
type Job interface {
	// Node returns what the core knows of a job that can be taken back while
	// it is queued, always the same; nil for a job that nobody has a handle of.
	Node() *Node
}

// A Node is where a job is, for the core that has it. The zero Node is in no
// core. It is one word, so that whoever embeds it stays small.
type Node struct{ word uint32 }

// where a job is that the core has.
//
//	          Submit                    Next
//	nowhere ──────────▶ lane ───────────────────────▶ nowhere
//	   │                ▲ ▲ │ ╰─ with others ─▶ batch
//	   │                │ ╰─┼──── Recalled ───────╯│
//	   │                │   ╰─ Remove ─────────────┼──▶ nowhere
//	   │ Later          ╰─ its time has come       │
//	   ╰────────────▶ delayed ◀──── Again ─────────╯
//	                     ╰─ Remove, Drain ───────────▶ nowhere
//
// The worker does not tell which jobs of its batch it has started, so one that
// was in a batch counts as being there until it is delayed. Again leads from
// nowhere, too, for a job that was handed out alone.
type where uint32

const (
	nowhere where = iota // it runs, has ended, or was not accepted yet
	inLane
	inBatch // handed out, and not known to have been started
	delayed
)

// String returns the word for it.
func (w where) String() string {
	switch w {
	case nowhere:
		return "nowhere"
	case inLane:
		return "in its lane"
	case inBatch:
		return "in a batch"
	case delayed:
		return "delayed"
	}
	panic("bug: a job is in no known place")
}

// A Node's word is its where, whether a tombstone of its job stands in a level, and,
// for one that is delayed, its index in the heap of those.
const (
	whereMask    = 1<<2 - 1
	tombstoneBit = 1 << 2
	indexShift   = 3
)

func (n *Node) where() where       { return where(n.word & whereMask) }
func (n *Node) hasTombstone() bool { return n.word&tombstoneBit != 0 }
func (n *Node) index() int         { return int(n.word >> indexShift) }

func (n *Node) move(to where) { n.word = n.word&tombstoneBit | uint32(to) }

// leaveTombstone takes note that the job is out of its level, where its entry stays
// until it is swept.
func (n *Node) leaveTombstone() { n.word = tombstoneBit | uint32(nowhere) }
func (n *Node) clearTombstone() { n.word &^= tombstoneBit }

func (n *Node) delayedAt(index int) {
	n.word = uint32(index)<<indexShift | n.word&tombstoneBit | uint32(delayed)
}

// move takes note of where a job is, if it can be taken back.
func move[J Job](job J, to where) {
	if n := job.Node(); n != nil {
		n.move(to)
	}
}

// isAlive reports whether a job that stands in a level was not removed.
func isAlive[J Job](job J) bool {
	n := job.Node()
	return n == nil || !n.hasTombstone()
}
