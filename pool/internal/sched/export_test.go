package sched

// IsDelayed reports whether the job of a node waits for its time.
func IsDelayed(n *Node) bool { return n.where() == delayed }

// Kept returns how many levels and lanes there are.
func (c *Core[J]) Kept() (levels, lanes int) {
	for _, l := range c.lanes {
		levels += len(l.levels)
	}
	return levels, len(c.lanes)
}

// Quotas returns how many quotas there are.
func (c *Core[J]) Quotas() int { return len(c.quotas) }

// StateOf returns the word for what a worker is doing.
func (c *Core[J]) StateOf(w WorkerID) string {
	if int(w) >= len(c.workers) {
		return absent.String()
	}
	return c.workers[w].state.String()
}

// State returns the word for where a claim is. No claim has not begun.
func (cl *Claim[J]) State() string {
	if cl == nil {
		return over.String()
	}
	return cl.state.String()
}

// Where returns the word for where the job of a node is.
func (n *Node) Where() string { return n.where().String() }
