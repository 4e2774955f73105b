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
